// The tab "Events": the whole run on one line, comments as bars and events as marks. A click on one shows it again.

function makeEventsTab(engine, model, act) {
  const line = element("div", { class: "timeline", "aria-label": "The run on a line of time", role: "group" });
  const axis = element("div", { class: "timeline-axis", "aria-hidden": "true" });
  const list = element("ol", { class: "event-list", "aria-label": "Events: choose one to see and hear it again" });
  const none = element("p", {}, "Nothing was noticed yet. Goals, captions, cuts, whistles and the crowd will stand here.");
  const see = (at_s, words) => act("moment", { at_s, words });

  function show() {
    const { state } = engine;
    const sample = state.rows.findLast((row) => row.kind === "sample");
    const end = Math.max(10, sample?.at_s ?? 0);
    const events = [...state.events.values()].filter((e) => e.shown_s <= end + 1);
    const comments = [...state.transcript.values()].filter((c) => c.at_s <= end);
    none.hidden = events.length > 0;
    const at = (s) => `${((100 * s) / end).toFixed(2)}%`;
    // 1) The line.
    renew(line, [Math.round(end), comments.map((c) => c.comment), events.map((e) => [e.event, e.told])], () => [
      ...comments.map(({ text, at_s }) => {
        const bar = element("button", { type: "button", class: "comment-bar", title: `${clockText(at_s)} ${text}`, "aria-label": `See again: ${clockText(at_s)} ${text}`, onclick: () => see(at_s + 1, text), tabindex: -1 });
        bar.style.left = at(at_s);
        return bar;
      }),
      ...events.filter((e) => e.importance >= 1).map(({ importance, words, label, shown_s, event, told }) => {
        const text = `${clockText(shown_s)} ${words}${told !== null ? " (told)" : ""}`;
        const mark = element("button", { type: "button", class: "mark", "data-importance": importance, "data-event": event, title: text, "aria-label": `See again: ${text}`, onclick: () => see(shown_s, label), tabindex: -1 });
        mark.style.left = at(shown_s);
        return mark;
      }),
    ]);
    const step = timeStep(end, 10);
    renew(axis, [Math.round(end)], () => {
      const ticks = [];
      for (let t = 0; t < 0.97 * end; t += step) {
        const tick = element("span", {}, clockText(t));
        tick.style.left = at(t);
        ticks.push(tick);
      }
      return ticks;
    });
    // 2) The list, the newest first.
    const listed = events.filter((e) => e.importance >= 1).sort((a, b) => b.shown_s - a.shown_s).slice(0, 60);
    renew(list, listed.map((e) => [e.event, e.told]), () =>
      listed.map(({ importance, words, label, shown_s, told }) =>
        element("li", { "data-importance": importance },
          element("button", { type: "button", title: "See and hear that moment again", onclick: () => see(shown_s, label) },
            element("time", {}, clockText(shown_s)), ` ${words}${told !== null ? " ✓ told" : ""}`)),
      ),
    );
  }
  return { name: "Events", parts: [line, axis, none, list], show };
}
