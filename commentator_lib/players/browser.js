// The page's side of LivePlayer; browser.py says what it is for and describes its messages.
//
// One engine for each page keeps the time: it maps kernel time, page time and the sound card's time onto each other,
// schedules sound on the card's clock, and draws each frame when that clock reaches its due time. Any number of views
// show what the engine has. All times are in seconds; kernel times are those of the session's event loop.
//
// anywidget loads one module, so browser.py joins the files: elements, events, programme, sound, picture, engine, chart,
// tiles, and this one, the view. Each knows only those before it.

const CAPTION_STAYS_S = 1.5; // after its last sound
const NO_PICTURE_S = 2.5;
const KEYS = [
  ["m", "mute the voice"],
  ["c", "captions on or off"],
  ["f", "full screen"],
  ["?", "this list"],
];

// The lamp: its state, and a word for it.
function lampOf(state, message, wrong, fps) {
  if (state.silentFor > NO_ANSWER_S) return ["error", "no answer"];
  const { run } = state;
  // A mistake at the controls is no fault of a run that goes on.
  if (wrong && message && !(run && !run.over)) return ["error", "error"];
  if (!run || run.over) return message && !wrong ? ["loading", "loading"] : ["idle", "idle"];
  const sample = state.rows.findLast((row) => row.kind === "sample") ?? {};
  if (sample.source_away) return ["no-picture", "no picture"];
  if (!fps && !state.everDrawn) return ["loading", "loading"];
  const [first, last] = [state.recentFrames[0], state.recentFrames[state.recentFrames.length - 1]];
  if (last && last !== first && !document.hidden) {
    const [drawn, missed] = [last.drawn - first.drawn, last.missed - first.missed];
    if (drawn === 0 && pageTime() - state.lastDrawn > NO_PICTURE_S) return ["no-picture", "no picture"];
    if (missed > 0.1 * (drawn + missed)) return ["delayed", "delayed"];
  }
  return ["live", "live"];
}

// What the status line says beside the lamp.
function statusWords(state) {
  const { run } = state;
  if (!run) return "";
  const sample = state.rows.findLast((row) => row.kind === "sample") ?? {};
  // Of a path its file is enough.
  const parts = [run.source.includes("://") ? run.source : run.source.split(/[\\/]/).pop(), run.commentator, run.voice ?? "text only"];
  if (sample.source_age_s != null) {
    parts.push(`${(1000 * sample.source_age_s).toFixed(0)} ms old on arrival`);
    if (sample.source_fps != null) parts.push(`${sample.source_fps.toFixed(1)} fps from the source`);
    if (sample.source_corrupt > 0) parts.push(`${sample.source_corrupt} damaged`);
    const times = sample.source_reconnects;
    if (times > 0) parts.push(`opened again ${times} time${times > 1 ? "s" : ""}`);
  }
  if (run.over) parts.push("ended");
  return parts.join(" · ");
}

// A view of the player. `desk` is what a control panel adds: `transport` and `side`, elements for the row below the
// picture and for the column beside it; `keys`, a map from a key to {words, act}; and `attach(view)`.
function makeView(engine, model, el, desk = null) {
  const { state, sound, picture } = engine;
  // 1) The picture and what lies over it.
  const canvas = element("canvas", { role: "img", "aria-label": "Picture", width: 640, height: 360 });
  const paint = canvas.getContext("2d", { alpha: false });
  const caption = element("div", { class: "caption", "aria-hidden": "true", dir: "auto" });
  const spoken = element("div", { class: "for-screen-readers", "aria-live": "polite", dir: "auto" });
  const unlock = element("button", { class: "unlock", type: "button", onclick: engine.resume }, "Click for sound");
  const message = element("div", { class: "message", role: "status" });
  const keyList = element("div", { class: "keys", role: "dialog", "aria-label": "Keys", hidden: true });
  const stage = element("div", { class: "stage", tabindex: -1 }, canvas, caption, unlock, message, keyList);
  // 2) The row below it.
  const faders = [makeFader(model, "voice", "Voice"), makeFader(model, "programme", "Programme")];
  const captions = element(
    "button",
    { class: "captions", type: "button", "aria-pressed": "true", title: "Captions on the picture, on or off (c)", onclick: toggleCaptions },
    "Captions",
  );
  const full = element("button", { class: "full", type: "button", title: "The picture alone, on the whole screen (f)", onclick: toggleFull }, "Full screen");
  const help = element("button", { class: "help", type: "button", "aria-label": "Keys", title: "What each key does (?)", onclick: toggleKeys }, "?");
  const lamp = element("span", { class: "lamp", role: "status" });
  const status = element("span", { class: "status" });
  const bar = element(
    "div",
    { class: "bar" },
    ...(desk ? desk.transport : []),
    ...faders.flatMap((f) => f.parts),
    captions,
    full,
    help,
    lamp,
  );
  // 3) What was said, how the run does, what was noticed.
  const lines = element("ol", { class: "lines", "aria-label": "Transcript: choose a line to hear it again" });
  const side = element("div", { class: "side" }, lines, ...(desk ? desk.side : []));
  const tiles = makeTiles();
  const chips = makeChips();
  const marks = makeMarks();
  const chart = element("canvas", { class: "chart", role: "img" });
  const charted = element("div", { class: "charted" }, chart, marks.lane);
  const root = element(
    "div",
    { class: "live-player", role: "region", "aria-label": "Live commentary", tabindex: -1, "data-lm-suppress-shortcuts": "true", onclick: engine.resume, onkeydown: onKey },
    element("div", { class: "upper" }, stage, side),
    bar,
    element("div", { class: "noticed" }, chips.strip, status),
    tiles.strip,
    ...(desk ? [] : [charted]),
    spoken,
  );
  el.append(root);
  let captioned = null, captionedAt = 0, announced = "", captionOver = null, dismissed = "", drawnAt = -Infinity;

  function toggleFull() {
    if (document.fullscreenElement) document.exitFullscreen();
    else
      stage.requestFullscreen().then(
        () => stage.focus(), // what lies outside of it gets no keys now
        (error) => console.warn("no full screen:", error.message),
      );
  }

  function toggleCaptions() {
    caption.hidden = !caption.hidden;
    setAttribute(captions, "aria-pressed", !caption.hidden);
  }

  function toggleKeys() {
    const all = [...Object.entries(desk?.keys ?? {}).map(([key, { words }]) => [key === " " ? "space" : key, words]), ...KEYS];
    const rows = all.flatMap(([key, words]) => [element("dt", {}, element("kbd", {}, key)), element("dd", {}, words)]);
    keyList.replaceChildren(element("dl", {}, ...rows), element("button", { type: "button", onclick: toggleKeys }, "Close"));
    keyList.hidden = !keyList.hidden;
    if (!keyList.hidden) keyList.lastChild.focus();
  }

  function onKey(event) {
    const typing = event.target.closest("input:not([type=range]):not([type=checkbox]):not([type=radio]), textarea, select");
    if (event.key === "Escape" && !keyList.hidden) return toggleKeys();
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    const own = { m: () => faders[0].toggle(), c: toggleCaptions, f: toggleFull, "?": toggleKeys };
    const act = own[event.key] ?? desk?.keys[event.key]?.act;
    // A button or a box takes its own space and Enter.
    if (!act || (event.key === " " && event.target.closest("button, input, summary, [role=tab]"))) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  }

  function clearCaption() {
    caption.replaceChildren();
    captioned = captionOver = null;
  }

  // A caption goes at a cut of its comment, and else a moment after its last sound.
  function endCaption() {
    if (!captioned) return;
    const over = sound.over(captioned.comment) ?? (captioned.finished ? "heard" : "");
    if (over === "cut") return clearCaption();
    if (over !== "heard" || !(captioned.final || captioned.finished)) captionOver = null;
    else if (captionOver === null) captionOver = pageTime();
    else if (pageTime() - captionOver >= CAPTION_STAYS_S) clearCaption();
  }

  const view = {
    root,
    stage,
    charted,
    // Take a line about a mistake off the picture; a new line is shown again.
    hideMessage() {
      dismissed = model.get("message");
      view.status();
    },
    status() {
      const wrong = Boolean(model.get("message_wrong"));
      const text = model.get("message");
      const sample = state.rows.findLast((row) => row.kind === "sample") ?? {};
      const away = state.run && !state.run.over && sample.source_away ? `The source gives no picture now: ${sample.source_away}` : "";
      const silent = state.silentFor > NO_ANSWER_S;
      setText(message, silent ? "No answer from the program" : text || away);
      if (text !== dismissed) dismissed = "";
      message.hidden = !message.textContent || (text !== "" && text === dismissed);
      message.classList.toggle("wrong", wrong || silent);
      setAttribute(message, "role", wrong ? "alert" : "status");
      const [name, word] = lampOf(state, text, wrong, state.fps);
      setAttribute(lamp, "data-lamp", name);
      setText(lamp, word);
      setText(status, statusWords(state));
      status.title = status.textContent;
      root.dataset.drawn = picture.counts.drawn;
      tiles.update(state);
      if (desk) desk.status();
    },
    frame(bitmap) {
      if (canvas.width !== bitmap.width || canvas.height !== bitmap.height)
        [canvas.width, canvas.height] = [bitmap.width, bitmap.height];
      paint.drawImage(bitmap, 0, 0);
      state.everDrawn = true;
      state.lastDrawn = pageTime();
    },
    sound() {
      unlock.hidden = sound.running();
      for (const fader of faders) fader.show();
      for (const part of faders[1].parts) part.disabled = !(state.run && state.run.has_sound);
      for (const line of lines.children)
        line.classList.toggle("replaying", line.dataset.comment !== undefined && Number(line.dataset.comment) === state.replaying);
    },
    reset() {
      lines.replaceChildren();
      clearCaption();
      state.everDrawn = false;
      state.lastDrawn = pageTime();
      const told = [...state.transcript.values(), ...state.questions.values()];
      for (const row of told.sort((a, b) => a.at_s - b.at_s)) "question" in row ? view.question(row) : view.line(row);
      for (const row of state.questions.values()) view.question(row);
      view.sound();
      view.status();
      view.chart();
      if (desk) desk.reset();
    },
    caption(line) {
      if (!captioned || line.comment >= captioned.comment) {
        if (!captioned || line.comment > captioned.comment) captionedAt = pageTime();
        captioned = line;
        captionOver = null;
        caption.lang = spoken.lang = languageOf(line.text);
        caption.replaceChildren(...line.words.map(({ text }) => element("span", {}, text)));
        view.words();
        // Screen readers get each sentence once, when it begins.
        const fresh = line.text.startsWith(announced) ? line.text.slice(announced.length) : line.text;
        if (fresh.trim()) spoken.textContent = fresh.trim();
        announced = line.text;
      }
      view.line(line);
    },
    finished(row) {
      if (captioned && row.cycle === captioned.comment) captioned.finished = true;
    },
    ended() {
      clearCaption();
    },
    words() {
      endCaption();
      if (!captioned || !captioned.words) return;
      const at = sound.position(captioned.comment);
      let reached = 0, letters = 0; // the word that is heard; without sound the one that is read by now
      captioned.words.forEach((word, k) => {
        const unheard = at !== null && at + 0.1 < word.at;
        caption.children[k]?.classList.toggle("unheard", unheard);
        if (at === null ? letters < READ_PER_S * (pageTime() - captionedAt) : !unheard) reached = k;
        letters += word.text.length;
      });
      showLineOf(caption, caption.children[reached]);
    },
    line({ comment, text, at_s }) {
      let line = lines.querySelector(`[data-comment="${comment}"]`);
      if (!line) {
        const again = element("button", { type: "button", title: "Hear it again", onclick: () => engine.replay(comment) });
        line = element("li", { "data-comment": comment }, again);
        addLine(line);
      }
      const answer = [...state.questions.values()].some((q) => q.cycle === comment && q.state === "answered");
      line.classList.toggle("answer", answer);
      const stamp = element("time", {}, clockText(at_s));
      line.firstChild.replaceChildren(stamp, ` ${answer ? "Answer: " : ""}${text}`);
      line.firstChild.setAttribute("aria-label", `${clockText(at_s)}, ${answer ? "answer: " : ""}${text} Hear it again.`);
      follow();
    },
    // A question stands in the transcript at once; what became of it stands below its words.
    question(row) {
      let line = lines.querySelector(`[data-question="${row.question}"]`);
      if (!line) {
        line = element("li", { class: "question", "data-question": row.question }, element("p"), element("p", { class: "became" }));
        addLine(line);
      }
      line.firstChild.replaceChildren(element("time", {}, clockText(row.at_s)), ` You: ${row.text}`);
      const became = { asked: "thinking …", thinking: "thinking …", answered: row.reason ?? "", failed: row.reason || "no answer", dropped: row.reason || "not answered" };
      setText(line.lastChild, became[row.state] ?? "");
      setAttribute(line, "data-state", row.state);
      const answer = row.cycle != null ? state.transcript.get(row.cycle) : null;
      if (answer) view.line(answer);
      follow();
    },
    chart() {
      const axis = drawChart(chart, state.rows, state.changes);
      const sample = state.rows.findLast((row) => row.kind === "sample");
      // A mark comes with its picture, not before it.
      const until = state.run && state.run.over ? Infinity : Math.min(sample ? sample.at_s : 0, drawnAt + 0.001);
      if (axis) marks.update(state.events, axis, Math.min(axis.last, until));
      tiles.update(state);
      if (desk) desk.chart();
    },
    events(now, drawn) {
      drawnAt = drawn;
      chips.update(state.events, now, drawn);
    },
  };

  function addLine(line) {
    lines.append(line);
    while (lines.children.length > 500) lines.firstChild.remove();
    lines.scrollTop = lines.scrollHeight;
  }

  function follow() {
    if (lines.scrollHeight - lines.scrollTop - lines.clientHeight < 80) lines.scrollTop = lines.scrollHeight;
  }

  const onMessage = () => view.status();
  const onSound = () => view.sound();
  const resized = new ResizeObserver(() => view.chart());
  resized.observe(chart);
  model.on("change:message change:message_wrong", onMessage);
  model.on(SOUND_CHANGES, onSound);
  if (desk) desk.attach(view);
  engine.add(view);
  view.reset();
  return () => {
    engine.remove(view);
    resized.disconnect();
    model.off("change:message change:message_wrong", onMessage);
    model.off(SOUND_CHANGES, onSound);
    if (desk) desk.detach();
  };
}

// A mute and a fader for the programme's sound or for the voice; `label` is what people read.
function makeFader(model, name, label) {
  const mute = element("button", { class: `${name} mute`, type: "button", title: `Mute the ${name}${name === "voice" ? " (m)" : ""}`, onclick: toggle }, `Mute ${name}`);
  const volume = element("input", {
    type: "range", min: 0, max: 100, class: `${name} volume`, "aria-label": `${label} volume, percent`,
    title: `${label} volume`, oninput: set,
    onchange: () => model.save_changes(), // once for a movement: the kernel writes each change into the run's log
    onkeydown: (event) => event.stopPropagation(), // otherwise the notebook takes its arrow keys
  });
  function toggle() {
    model.set(`${name}_muted`, !model.get(`${name}_muted`));
    model.save_changes();
  }
  function set() {
    model.set(`${name}_volume`, volume.value / 100);
  }
  return {
    parts: [mute, volume],
    toggle,
    show() {
      setAttribute(mute, "aria-pressed", model.get(`${name}_muted`));
      const percent = Math.round(100 * model.get(`${name}_volume`));
      if (Number(volume.value) !== percent) volume.value = percent;
    },
  };
}

// A widget: one engine for each page, and any number of views. `makeRoot(engine, model, el)` makes a view and returns
// what takes it away again.
function makeWidget(makeRoot) {
  let engine = null;
  return {
    initialize({ model }) {
      engine = makeEngine(model);
      return () => engine.end();
    },
    render: ({ model, el }) => makeRoot(engine, model, el),
  };
}
