// The page's engine: what the kernel sends goes to the sound, the picture and the views.

const CHANGES_KEPT = 100;

function makeEngine(model) {
  const page = Math.random().toString(36).slice(2, 10);
  const views = new Set();
  const clock = makeClock();
  const state = { run: null, transcript: new Map(), rows: [], events: new Map() };
  Object.assign(state, { questions: new Map(), changes: [], recentFrames: [] });
  Object.assign(state, { fps: null, silentFor: 0, replaying: null });
  let drawnDue = -Infinity; // of the last picture
  const notify = (what, ...more) => views.forEach((view) => view[what] && view[what](...more));
  const sound = makeSound(model, clock, () => {
    acknowledge();
    notify("sound");
  });
  const picture = makePicture(() => sound.now(), (frame) => {
    drawnDue = frame.due;
    notify("frame", frame.bitmap);
  });
  let timer = null, lastAck = 0, lastPing = 0, lastHello = 0, lastHeardFrom = pageTime(), waitingForClock = [];
  let welcomed = false, drawnBefore = { at: pageTime(), drawn: 0 };

  // After a restart of the kernel there is no one to send to; the view then says that no answer comes.
  const send = (content, buffers = undefined) => {
    try {
      model.send({ page, ...content }, undefined, buffers);
    } catch (error) {
      console.warn("LivePlayer: the kernel cannot be reached:", error.message);
    }
  };
  const ping = () => {
    lastPing = pageTime();
    send({ kind: "ping", t0: lastPing });
  };
  const active = () => state.run !== null && !state.run.over;

  function begin() {
    if (timer !== null) return;
    sound.open();
    timer = setInterval(tick, 1000 * ACK_S);
    hello();
  }

  // Repeated until it is answered: a kernel that is just starting may miss the first one.
  function hello() {
    lastHello = pageTime();
    for (let k = 0; k < 3; k++) ping();
    send({ kind: "hello" });
  }

  function bye() {
    if (timer === null) return;
    clearInterval(timer);
    timer = null;
    welcomed = false;
    send({ kind: "bye" });
    sound.silence();
    picture.clear("hidden");
  }

  // The browser slows the timers of a hidden page down to one a second and less, but not the messages that arrive:
  // so each message causes a tick as well.
  function tick() {
    const now = pageTime();
    if (timer === null || now - lastAck < ACK_S * 0.9) return;
    state.silentFor = active() ? now - lastHeardFrom : 0;
    if (state.silentFor > NO_ANSWER_S) notify("status");
    if (!welcomed && now - lastHello > PING_S) hello();
    if (now - lastPing > PING_S) ping();
    sound.measure();
    acknowledge();
    if (now - drawnBefore.at > 1) {
      state.fps = (picture.counts.drawn - drawnBefore.drawn) / (now - drawnBefore.at);
      drawnBefore = { at: now, drawn: picture.counts.drawn };
      const { drawn, late, lost, hidden } = picture.counts;
      state.recentFrames = [...state.recentFrames, { drawn, missed: late + lost, hidden }].slice(-4);
      notify("status");
    }
    notify("words");
    if (state.run && clock.known) {
      const epoch = state.run.epoch_s ?? 0;
      notify("events", sound.now() - epoch, drawnDue - epoch);
    }
  }

  function acknowledge() {
    if (timer === null || !clock.known) return;
    lastAck = pageTime();
    const counts = { ...picture.counts, underruns: sound.underruns, ...sound.programmeCounts };
    const seen = { seq: picture.lastSeq, draws: picture.takeDraws(), counts };
    send({ kind: "ack", at: clock.now(), sounding: sound.running(), heard: sound.heard(), ...seen });
  }

  const int16 = ({ buffer, byteOffset, byteLength }) =>
    new Int16Array(buffer.slice(byteOffset, byteOffset + byteLength));

  const handlers = {
    pong(m) {
      clock.pong(m.t0, m.t1, m.unix);
      for (const [message, buffers] of waitingForClock.splice(0)) receive(message, buffers);
    },
    welcome(m) {
      welcomed = true;
      state.run = m.run;
      state.rows = m.rows;
      state.events = new Map(m.events.map((event) => [event.event, event]));
      state.questions = new Map((m.questions ?? []).map((row) => [row.question, row]));
      state.changes = m.changes ?? [];
      state.transcript = new Map(m.transcript.map((line) => [line.comment, line]));
      sound.setDuck(m.run?.duck_db);
      notify("reset");
    },
    run(m) {
      Object.assign(state, { run: m, rows: [], events: new Map(), transcript: new Map() });
      Object.assign(state, { questions: new Map(), changes: [], recentFrames: [] });
      sound.silence();
      sound.setDuck(m.duck_db);
      notify("reset");
    },
    source(m) {
      if (state.run) state.run = { ...state.run, source: m.source };
      notify("status");
    },
    end() {
      if (state.run) state.run = { ...state.run, over: true };
      notify("ended");
      notify("status");
      notify("chart");
    },
    // A question and what became of it: the newest row of each counts.
    question(m) {
      state.questions.set(m.question, { ...state.questions.get(m.question), ...m });
      notify("question", state.questions.get(m.question));
    },
    // What a change of the settings did is seen in the chart.
    change(m) {
      state.changes = [...state.changes, m].slice(-CHANGES_KEPT);
      notify("chart");
    },
    frame: (m, buffers) => picture.take(m, buffers[0]),
    sound: (m, buffers) => sound.take(m, int16(buffers[0])),
    programme: (m, buffers) => sound.takeProgramme(m, int16(buffers[0])),
    caption(m) {
      const before = state.transcript.get(m.comment);
      const grows = before?.words && m.text.startsWith(before.text);
      const fresh = wordsOf(grows ? m.text.slice(before.text.length) : m.text);
      state.transcript.set(m.comment, { ...m, words: timed(m.comment, fresh, grows ? before.words : []) });
      notify("caption", state.transcript.get(m.comment));
    },
    cut: (m) => sound.cut(m.comment, m.at),
    cycle(m) {
      addRow(m);
      notify("finished", m);
    },
    sample: (m) => addRow(m),
    event: (m) => keepEvent(state.events, m),
    replay(m, buffers) {
      state.replaying = m.comment;
      sound.replay(int16(buffers[0]), () => {
        state.replaying = null;
        notify("sound");
      });
      notify("sound");
    },
  };

  // Spread new words over the piece of sound that they belong to, in proportion to their length.
  function timed(comment, fresh, old) {
    const piece = sound.piece(comment);
    const all = fresh.reduce((n, w) => n + w.length, 0);
    let before = 0;
    return [
      ...old,
      ...fresh.map((text) => {
        const at = piece ? piece.from + ((piece.to - piece.from) * before) / all : 0;
        before += text.length;
        return { text, at };
      }),
    ];
  }

  function addRow(row) {
    state.rows.push(row);
    if (state.rows.length > 300) state.rows.shift();
    notify("chart");
  }

  function receive(message, buffers) {
    if (timer === null || (message.page && message.page !== page)) return;
    lastHeardFrom = pageTime();
    // Nothing can be scheduled before the clock is known, nor before the welcome has said what is going on.
    if (message.kind !== "pong") {
      if (!clock.known) {
        if (message.page) waitingForClock.push([message, buffers]);
        return;
      }
      if (!welcomed && message.kind !== "welcome") return;
    }
    const handler = handlers[message.kind];
    if (handler) handler(message, buffers);
    tick();
  }

  const onVolume = () => sound.setVolume();
  const onHidden = () => {
    if (document.hidden) picture.clear("hidden");
    acknowledge();
  };
  const onGesture = () => {
    if (sound.opened && !sound.running()) sound.resume();
  };
  model.on("msg:custom", receive);
  model.on(SOUND_CHANGES, onVolume);
  document.addEventListener("visibilitychange", onHidden);
  window.addEventListener("pagehide", bye);

  return {
    state,
    sound,
    picture,
    clock,
    resume: onGesture,
    page,
    send,
    active,
    replay: (comment) => send({ kind: "replay", comment }),
    on(kind, handler) {
      handlers[kind] = handler;
    },
    add(view) {
      views.add(view);
      begin();
    },
    remove(view) {
      views.delete(view);
      if (views.size === 0) bye();
    },
    end() {
      bye();
      sound.close();
      model.off("msg:custom", receive);
      model.off(SOUND_CHANGES, onVolume);
      document.removeEventListener("visibilitychange", onHidden);
      window.removeEventListener("pagehide", bye);
    },
  };
}
