// The control panel around the player's view: Start and Stop, a question, and five tabs. The kernel's side is
// panel_page.py, which says what is shown, and control_panel.py, which does what is asked.

const PANEL_TRAITS = "change:controls change:source_cards change:commentator_cards change:pacing change:earlier_runs change:card";
const WRONG_STAYS_S = 10; // on the picture, while a run goes on

function makePanel(engine, model, el) {
  const act = (action, args = {}, buffers = undefined) => engine.send({ kind: "do", action, arguments: args }, buffers);
  const controls = () => model.get("controls");
  // 1) The row below the picture.
  const start = element("button", { type: "button", class: "start", onclick: () => act(controls().running ? "stop" : "start") });
  // 2) The question below the transcript.
  const question = element("input", {
    type: "text", class: "question-box", "aria-label": "Question", autocomplete: "off",
    onkeydown: (event) => {
      event.stopPropagation();
      if (event.key === "Enter") ask();
      if (event.key === "Escape") view.root.focus();
    },
  });
  const askButton = element("button", { type: "button", onclick: ask }, "Ask");
  const speak = element("button", { type: "button", class: "speak", "aria-pressed": "false", onclick: toggleSpeech }, "Speak");
  const whyNot = element("p", { class: "why-not", role: "note" });
  const form = element("div", { class: "ask" }, question, askButton, speak);

  function ask() {
    const text = question.value.trim();
    if (!text) return question.focus();
    act("ask", { text });
    question.value = "";
  }

  // Speech is recorded from the first press until the next, 15 s at most. Meanwhile our own voice is soft, and the
  // browser takes its echo out.
  let recorder = null;
  async function toggleSpeech() {
    if (recorder) return recorder.stop();
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ audio: { echoCancellation: true, noiseSuppression: true } });
    } catch (error) {
      return setText(whyNot, `The browser gives no microphone: ${error.message}`);
    }
    const parts = [];
    recorder = new MediaRecorder(stream);
    recorder.ondataavailable = (event) => parts.push(event.data);
    recorder.onstop = async () => {
      recorder = null;
      for (const track of stream.getTracks()) track.stop();
      engine.sound.setSoft(false);
      setAttribute(speak, "aria-pressed", false);
      act("speech", {}, [await new Blob(parts).arrayBuffer()]);
    };
    engine.sound.setSoft(true);
    setAttribute(speak, "aria-pressed", true);
    recorder.start();
    const one = recorder;
    setTimeout(() => recorder === one && one.stop(), 15_000);
  }

  // 3) The tabs.
  let view = null;
  let tabs = [];
  const tabList = element("div", { role: "tablist", "aria-label": "Controls", class: "tab-list", onkeydown: onTabKey });
  const said = element("p", { class: "said", role: "status" });
  const below = element("div", { class: "desk" });
  const card = element("iframe", { class: "card-frame", title: "How the run went", "data-fit": "", hidden: true });

  function choose(number, focus = false) {
    tabs.forEach(({ tab, body }, k) => {
      setAttribute(tab, "aria-selected", k === number);
      tab.tabIndex = k === number ? 0 : -1;
      body.hidden = k !== number;
    });
    if (focus) tabs[number].tab.focus();
    tabs[number].show();
    if (tabs[number].name === "Pacing") view.chart();
  }

  function onTabKey(event) {
    const now = tabs.findIndex(({ tab }) => tab.getAttribute("aria-selected") === "true");
    const to = { ArrowRight: now + 1, ArrowLeft: now - 1, Home: 0, End: tabs.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    choose((to + tabs.length) % tabs.length, true);
  }

  function makeTabs() {
    const parts = [
      makeSourceTab(engine, model, act),
      makeCommentatorTab(engine, model, act),
      makePacingTab(engine, model, act, view.charted),
      makeEventsTab(engine, model, act),
      makeRunsTab(engine, model, act),
    ];
    tabs = parts.map(({ name, parts: inside, show }, k) => {
      const id = `live-tab-${engine.page}-${Math.random().toString(36).slice(2, 7)}`;
      const tab = element("button", { type: "button", role: "tab", id, "aria-controls": `${id}-body`, onclick: () => choose(k) }, name);
      const body = element("div", { role: "tabpanel", id: `${id}-body`, "aria-labelledby": id, class: `tab-body ${name.toLowerCase()}` }, ...inside);
      tabList.append(tab);
      return { name, tab, body, show };
    });
    below.append(element("div", { class: "tab-row" }, tabList, said), ...tabs.map(({ body }) => body), card);
    view.root.append(below);
  }

  const shownTab = () => tabs.find(({ tab }) => tab.getAttribute("aria-selected") === "true");
  let wrongTimer = null;

  function show() {
    const { running, said: line = {}, microphone, whyNoAnswer } = controls();
    setText(start, running ? "■ Stop" : "● Start");
    setAttribute(start, "aria-label", running ? "Stop" : "Start");
    start.title = running ? "End the run; everything is written (space)" : "Start a run (space)";
    start.classList.toggle("running", Boolean(running));
    setText(said, line.text ?? "");
    said.title = line.text ?? "";
    said.classList.toggle("wrong", Boolean(line.wrong));
    const able = !whyNoAnswer;
    question.disabled = askButton.disabled = speak.disabled = !able;
    question.placeholder = able ? "Ask about what you see (/)" : "";
    askButton.title = "Ask this; the answer is a comment of its own (Enter)";
    speak.title = `Speak your question; ${microphone} writes it down`;
    speak.hidden = !microphone || !navigator.mediaDevices;
    setText(whyNot, whyNoAnswer ?? "");
    whyNot.hidden = able;
    const html = model.get("card");
    if (card.dataset.shown !== html) {
      card.dataset.shown = html;
      card.hidden = !html;
      if (html) card.srcdoc = html;
    }
    shownTab()?.show();
    // A mistake during a run does not stand on its picture for ever.
    clearTimeout(wrongTimer);
    if (line.wrong && running) wrongTimer = setTimeout(() => model.get("message_wrong") && view.hideMessage(), 1000 * WRONG_STAYS_S);
  }

  const desk = {
    transport: [start],
    side: [whyNot, form],
    keys: {
      " ": { words: "start or stop", act: () => start.click() },
      "/": { words: "ask a question", act: () => question.focus() },
    },
    attach(made) {
      view = made;
      makeTabs();
      makeFilms(engine, view.stage);
      model.on(PANEL_TRAITS, show);
      choose(0);
      show();
      // After Run All the notebook stands at its last cell's beginning: bring the whole panel into sight, once.
      setTimeout(() => view.root.scrollIntoView({ block: "nearest" }), 500);
    },
    detach: () => model.off(PANEL_TRAITS, show),
    status: show,
    reset: show,
    chart: () => shownTab()?.name === "Events" && shownTab().show(),
  };
  return makeView(engine, model, el, desk);
}
