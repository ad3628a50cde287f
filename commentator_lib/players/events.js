// What LivePlayer's page shows of the events that watchers noticed: chips under the picture, marks over the chart.
//
// browser.py puts this file before browser.js, whose `element` and `clockText` it uses. The kernel says what each event
// is called and when the picture shows it (`EventMemory` in page_memory.py); times are seconds since the run's start.

const EVENTS_KEPT = 200;
const CHIPS = 6;
const CHIP_S = 8;
const TOLD_CHIP_S = 3; // a chip that has just got its tick stays at least this long
const CHIP_FADE_S = 0.6;

// Keep the newest message of an event, by its number.
function keepEvent(events, event) {
  events.set(event.event, event);
  while (events.size > EVENTS_KEPT) events.delete(events.keys().next().value);
}

// When the chip of an event goes.
function chipEnd({ shown_s, known_s, told_s }) {
  const end = Math.max(shown_s, known_s) + CHIP_S;
  return told_s !== null && told_s < end ? Math.max(end, told_s + TOLD_CHIP_S) : end;
}

// The last events that the picture has shown, the newest first. Nothing is written to the page while nothing changes.
function makeChips() {
  const strip = element("div", { class: "chips", role: "list", "aria-label": "What was just noticed" });
  const chips = new Map(); // event → its chip

  function makeChip({ importance, label, words }) {
    const chip = element("span", { class: "chip", role: "listitem", "data-importance": importance, title: words });
    chip.textContent = label;
    return chip;
  }

  return {
    strip,
    // `now` is the time of what is seen and heard now, `drawn` the due time of the last picture that was drawn.
    update(events, now, drawn) {
      const due = [...events.values()].filter(
        (e) => e.importance >= 1 && e.shown_s <= drawn + 0.001 && e.known_s <= now && now < chipEnd(e),
      );
      const wanted = due.sort((a, b) => b.shown_s - a.shown_s || b.event - a.event).slice(0, CHIPS);
      const numbers = new Set(wanted.map((e) => e.event));
      for (const [number, chip] of chips) {
        if (numbers.has(number)) continue;
        chip.remove();
        chips.delete(number);
      }
      wanted.forEach((event, k) => {
        let chip = chips.get(event.event);
        if (!chip) chips.set(event.event, (chip = makeChip(event)));
        if (strip.children[k] !== chip) strip.insertBefore(chip, strip.children[k] ?? null);
        if (event.told !== null && !chip.classList.contains("told")) {
          chip.classList.add("told");
          chip.append(element("span", { class: "tick", role: "img", "aria-label": "told" }, "✓"));
        }
        chip.classList.toggle("fading", now > chipEnd(event) - CHIP_FADE_S);
      });
    },
  };
}

// One mark for each event in the part of the run that the chart shows, at the time at which the picture shows it.
function makeMarks() {
  const lane = element("div", { class: "marks" });
  const marks = new Map(); // event → its mark
  return {
    lane,
    // `axis` is what drawChart returns; events after `until` have not been seen yet.
    update(events, axis, until) {
      const shown = [...events.values()].filter((e) => e.shown_s >= axis.first && e.shown_s <= until);
      const numbers = new Set(shown.map((e) => e.event));
      for (const [number, mark] of marks) {
        if (numbers.has(number)) continue;
        mark.remove();
        marks.delete(number);
      }
      for (const { event, importance, words, shown_s, told } of shown) {
        let mark = marks.get(event);
        if (!mark) {
          mark = element("span", { class: "mark", role: "img", "data-importance": importance, "data-event": event });
          marks.set(event, mark);
          lane.append(mark);
        }
        const text = `${clockText(shown_s)} ${words}${told !== null ? " (told)" : ""}`;
        if (mark.title !== text) {
          mark.title = text;
          mark.setAttribute("aria-label", text);
        }
        mark.style.left = `${axis.x(shown_s).toFixed(1)}px`;
      }
    },
  };
}
