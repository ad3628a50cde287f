// The page's side of LivePlayer; browser.py says what it is for and describes its messages.
//
// One engine for each page keeps the time: it maps kernel time, page time and the sound card's time onto each other,
// schedules sound on the card's clock, and draws each frame when that clock reaches its due time. Any number of views
// show what the engine has. All times are in seconds; kernel times are those of the session's event loop.
//
// Long because anywidget loads one module, and parts of it would need a bundler. The parts stand in this order: time,
// sound, picture, engine, view, chart; each knows only those before it. What shows events stands in events.js.

const RATE = 48000;
const ACK_S = 0.15; // at least five acknowledgements a second
const PING_S = 1.0;
const NO_ANSWER_S = 4.0; // a running session sends something every second
const LATE_S = 0.1; // a frame that comes this late is not worth decoding
const FRAMES_WAITING = 90; // beyond this the oldest are dropped
const JOIN_S = 0.5; // sound that is later than this is joined in its middle, not started late
const SAFE_S = 0.02; // the sound card needs this much notice
const FADE_S = 0.005;
const CHART_S = 90;

const pageTime = () => performance.now() / 1000;

// ---------------------------------------------------------------- time

// Kernel time from page time by ping and pong, as in NTP: the answer with the shortest round roundTrip is the most exact.
// The way to the kernel takes longer than the way back, so the middle of the round roundTrip is not exact. Where the wall
// clocks of both machines agree with it within half the round roundTrip, as on one machine, the wall clocks are used.
function makeClock() {
  let samples = [];
  let offset = null;
  return {
    pong(t0, t1, unix) {
      const t3 = pageTime();
      const roundTrip = t3 - t0;
      const middle = t1 - (t0 + t3) / 2;
      const byWallClock = Date.now() / 1000 + 0.0005 - unix + t1 - t3;
      samples = samples.filter((s) => t3 - s.at < 30).slice(-40);
      samples.push({ roundTrip, offset: Math.abs(byWallClock - middle) < roundTrip / 2 ? byWallClock : middle, at: t3 });
      const best = samples.reduce((a, b) => (b.roundTrip < a.roundTrip ? b : a)).offset;
      // The first estimate may be far off; after that the clock must not jump.
      offset = offset === null || Math.abs(best - offset) > 0.05 ? best : offset + 0.2 * (best - offset);
    },
    get known() {
      return offset !== null;
    },
    now: () => pageTime() + offset,
  };
}

// ---------------------------------------------------------------- sound

// Every comment is a track: segments that follow each other on the sound card's clock without a gap, to the sample.
function makeSound(model, clock, changed) {
  let context = null;
  let master, live, tracks = new Map(), waiting = [];
  let differences = [], difference = null; // kernel time minus the card's time of what is heard now
  let underruns = 0, replaying = null;

  function heardTime() {
    const stamp = context.getOutputTimestamp ? context.getOutputTimestamp() : null;
    if (stamp && stamp.performanceTime > 0)
      return stamp.contextTime + (performance.now() - stamp.performanceTime) / 1000;
    return context.currentTime - (context.outputLatency || context.baseLatency || 0);
  }

  function setVolume() {
    if (!context) return;
    const volume = model.get("muted") ? 0 : model.get("volume");
    master.gain.setTargetAtTime(volume, context.currentTime, 0.01);
  }

  function open() {
    if (context) return;
    context = new AudioContext({ sampleRate: RATE, latencyHint: "interactive" });
    master = context.createGain();
    master.gain.value = model.get("muted") ? 0 : model.get("volume");
    master.connect(context.destination);
    live = context.createGain();
    live.connect(master);
    context.onstatechange = () => {
      differences = [];
      difference = null;
      if (running()) takeWaiting();
      changed();
    };
  }

  const running = () => context !== null && context.state === "running";

  function measure() {
    if (!running() || !clock.known) return;
    const measured = clock.now() - heardTime();
    // Just after it wakes up, the card gives wrong times for a moment; the median of many is steady.
    differences = [...differences, measured].slice(-15);
    difference = [...differences].sort((a, b) => a - b)[differences.length >> 1];
  }

  // Sound that the card cannot play yet waits. What is too late by then is left out.
  function take(message, samples) {
    if (!running() || !clock.known) {
      waiting.push([message, samples]);
      const now = clock.known ? clock.now() : null;
      if (now !== null) waiting = waiting.filter(([m, s]) => m.start + (m.offset + s.length) / RATE > now);
      if (waiting.length > 2000) waiting.shift();
      return;
    }
    if (difference === null) measure();
    schedule(message, samples);
  }

  function takeWaiting() {
    const before = waiting;
    waiting = [];
    for (const [message, samples] of before) take(message, samples);
  }

  function schedule(message, samples) {
    const { comment, offset } = message;
    const now = context.currentTime;
    const planned = message.start - difference + offset / RATE;
    let track = tracks.get(comment);
    if (track && offset < track.samples) return; // received before
    let at;
    if (!track) {
      // A comment starts after the end of all others; two are never heard at once.
      const ends = [...tracks.values()].map((t) => t.end);
      track = { segments: [], pieces: [], samples: 0, end: 0, cut: null, gain: context.createGain() };
      track.gain.connect(live);
      tracks.set(comment, track);
      for (const old of [...tracks.keys()].filter((k) => k < comment - 8)) forget(old);
      at = Math.max(planned, ...ends);
      if (at < now + SAFE_S && at > now - JOIN_S) at = now + SAFE_S;
    } else if (track.end >= now + FADE_S) {
      at = track.end;
    } else if (planned > now - 2) {
      if (track.end > 0 && !track.joining) underruns += 1;
      at = track.joining ? planned : now + SAFE_S;
    } else {
      at = planned; // the page was asleep: go on where the other pages are
    }
    track.samples = offset + samples.length;
    if (message.piece) track.pieces.push(offset / RATE);
    at = Math.round(at * RATE) / RATE;
    const length = samples.length / RATE;
    track.joining = at + length < now + SAFE_S;
    track.end = at + length;
    const segment = { at, from: offset / RATE, length, source: null };
    track.segments.push(segment);
    if (track.cut !== null && segment.from >= track.cut) segment.length = 0;
    else if (!track.joining) play(track, segment, samples);
    if (track.cut !== null) cutTrack(track);
  }

  function play(track, segment, samples) {
    const late = Math.max(0, context.currentTime + SAFE_S - segment.at);
    if (late >= segment.length) return;
    segment.source = context.createBufferSource();
    segment.source.buffer = toBuffer(samples);
    segment.source.connect(track.gain);
    segment.source.onended = ended;
    segment.source.start(segment.at + late, late);
  }

  // A sound ends on the card a little before it has been heard to its end: report the change again then.
  function ended() {
    changed();
    if (context) setTimeout(changed, 1000 * Math.max(0, context.currentTime - heardTime()) + 5);
  }

  function toBuffer(samples) {
    const buffer = context.createBuffer(1, samples.length, RATE);
    const channel = buffer.getChannelData(0);
    for (let k = 0; k < samples.length; k++) channel[k] = samples[k] / 32768;
    return buffer;
  }

  function cutTrack(track) {
    for (const segment of track.segments) {
      const left = track.cut - segment.from;
      if (left >= segment.length) continue;
      if (segment.source && left <= 0) segment.source.stop();
      else if (segment.source) {
        const at = Math.max(segment.at + left, context.currentTime + FADE_S);
        track.gain.gain.setValueAtTime(1, Math.max(context.currentTime, at - FADE_S));
        track.gain.gain.linearRampToValueAtTime(0, at);
        segment.source.stop(at + FADE_S);
      }
      segment.length = Math.max(0, left);
    }
    track.end = Math.max(0, ...track.segments.map((s) => s.at + s.length));
  }

  function forget(comment) {
    const track = tracks.get(comment);
    for (const { source } of track.segments) if (source) source.onended = null;
    track.gain.disconnect();
    tracks.delete(comment);
  }

  // Seconds of a comment that have left the loudspeaker; null before the first.
  function position(track, heard) {
    let furthest = null;
    for (const { at, from, length } of track.segments)
      if (at <= heard) furthest = Math.max(furthest ?? 0, from + Math.min(length, heard - at));
    return furthest;
  }

  function stopReplay() {
    if (!replaying) return;
    replaying.onended = null;
    replaying.stop();
    replaying = null;
    live.gain.setTargetAtTime(1, context.currentTime, 0.05);
  }

  return {
    open,
    take,
    measure,
    setVolume,
    running,
    resume: () => context && context.resume(),
    get opened() {
      return context !== null;
    },
    get underruns() {
      return underruns;
    },
    // Kernel time of what is heard now; while there is no sound, kernel time by the page's clock.
    now: () => (running() && difference !== null ? heardTime() + difference : clock.now()),
    cut(comment, at) {
      waiting = waiting.filter(([m]) => m.comment !== comment || m.offset / RATE < at);
      const track = tracks.get(comment);
      if (track) {
        track.cut = at;
        cutTrack(track);
      }
    },
    heard() {
      if (!running()) return [];
      const now = heardTime();
      const found = [...tracks].map(([comment, track]) => [comment, position(track, now)]);
      return found.filter(([, seconds]) => seconds !== null).slice(-3);
    },
    // {heard, from, to}: how far a comment was heard, and the piece of its sound to which newly shown words belong.
    piece(comment) {
      const track = tracks.get(comment);
      const heard = track && running() ? position(track, heardTime()) : null;
      if (heard === null) return null;
      const last = track.segments.reduce((m, s) => Math.max(m, s.from + s.length), 0);
      const from = track.pieces.filter((p) => p <= heard + 0.15).pop() ?? 0;
      const to = track.pieces.find((p) => p > from) ?? last;
      return { heard, from, to };
    },
    position(comment) {
      const track = tracks.get(comment);
      return track && running() ? position(track, heardTime()) : null;
    },
    replay(samples, ended) {
      if (!context || samples.length === 0) return ended();
      stopReplay();
      replaying = context.createBufferSource();
      replaying.buffer = toBuffer(samples);
      replaying.connect(master);
      replaying.onended = () => {
        stopReplay();
        ended();
      };
      live.gain.setTargetAtTime(0.15, context.currentTime, 0.05);
      replaying.start();
    },
    silence() {
      for (const comment of [...tracks.keys()]) {
        for (const { source } of tracks.get(comment).segments) if (source) source.stop();
        forget(comment);
      }
      waiting = [];
    },
    close() {
      if (context) context.close();
      context = null;
    },
  };
}

// ---------------------------------------------------------------- picture

function makePicture(now, draw) {
  let frames = [], draws = [], lastSeq = null, loop = null;
  const counts = { drawn: 0, late: 0, hidden: 0, lost: 0 };

  function take(message, jpeg) {
    if (lastSeq !== null && message.seq > lastSeq + 1) counts.lost += message.seq - lastSeq - 1;
    lastSeq = message.seq;
    const received = now();
    if (document.hidden) {
      counts.hidden += 1;
      return;
    }
    if (message.due < received - LATE_S) {
      counts.late += 1;
      return;
    }
    const frame = { ...message, received, bitmap: null, dead: false };
    frames.push(frame);
    if (frames.length > FRAMES_WAITING) drop(frames.shift());
    createImageBitmap(new Blob([jpeg], { type: "image/jpeg" })).then(
      (bitmap) => (frame.dead ? bitmap.close() : (frame.bitmap = bitmap)),
      (error) => {
        console.warn("a frame that cannot be decoded", error);
        frame.dead = true;
      },
    );
    if (loop === null) loop = requestAnimationFrame(step);
  }

  function drop(frame, why = "late") {
    counts[why] += 1;
    frame.dead = true;
    if (frame.bitmap) frame.bitmap.close();
  }

  // Draw the newest frame that is nearer to its due time now than it will be at the screen's next refresh.
  function step() {
    const at = now();
    let chosen = -1;
    for (let k = 0; k < frames.length && frames[k].due <= at + 0.008; k++) if (frames[k].bitmap) chosen = k;
    if (chosen >= 0) {
      for (const frame of frames.slice(0, chosen)) drop(frame);
      const frame = frames[chosen];
      frames = frames.slice(chosen + 1);
      draw(frame);
      frame.bitmap.close();
      counts.drawn += 1;
      draws.push([frame.seq, frame.sent, frame.received, at]);
    }
    loop = frames.length > 0 ? requestAnimationFrame(step) : null;
  }

  function clear(why) {
    for (const frame of frames) drop(frame, why);
    frames = [];
  }

  return {
    take,
    clear,
    counts,
    get lastSeq() {
      return lastSeq ?? -1;
    },
    takeDraws() {
      const taken = draws;
      draws = [];
      return taken;
    },
  };
}

// ---------------------------------------------------------------- the engine

function makeEngine(model) {
  const page = Math.random().toString(36).slice(2, 10);
  const views = new Set();
  const clock = makeClock();
  const state = { run: null, transcript: new Map(), rows: [], events: new Map() };
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
  const send = (content) => {
    try {
      model.send({ page, ...content });
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
    const counts = { ...picture.counts, underruns: sound.underruns };
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
      state.transcript = new Map(m.transcript.map((line) => [line.comment, line]));
      notify("reset");
    },
    run(m) {
      Object.assign(state, { run: m, rows: [], events: new Map(), transcript: new Map() });
      sound.silence();
      notify("reset");
    },
    end() {
      if (state.run) state.run = { ...state.run, over: true };
      notify("status");
      notify("chart");
    },
    frame: (m, buffers) => picture.take(m, buffers[0]),
    sound: (m, buffers) => sound.take(m, int16(buffers[0])),
    caption(m) {
      const before = state.transcript.get(m.comment);
      const words = m.text.split(" ");
      const old = before && before.words ? before.words : [];
      state.transcript.set(m.comment, { ...m, words: timed(m.comment, words, old) });
      notify("caption", state.transcript.get(m.comment));
    },
    cut: (m) => sound.cut(m.comment, m.at),
    cycle: (m) => addRow(m),
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
  function timed(comment, words, old) {
    const fresh = words.slice(old.length);
    const piece = sound.piece(comment);
    const all = fresh.reduce((n, w) => n + w.length + 1, 0);
    let before = 0;
    return [
      ...old,
      ...fresh.map((text) => {
        const at = piece ? piece.from + ((piece.to - piece.from) * before) / all : 0;
        before += text.length + 1;
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
  model.on("change:volume", onVolume);
  model.on("change:muted", onVolume);
  document.addEventListener("visibilitychange", onHidden);
  window.addEventListener("pagehide", bye);

  return {
    state,
    sound,
    picture,
    clock,
    resume: onGesture,
    replay: (comment) => send({ kind: "replay", comment }),
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
      model.off("change:volume", onVolume);
      model.off("change:muted", onVolume);
      document.removeEventListener("visibilitychange", onHidden);
      window.removeEventListener("pagehide", bye);
    },
  };
}

// ---------------------------------------------------------------- a view

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

const clockText = (s) => `${Math.floor(s / 60)}:${String(Math.floor(s % 60)).padStart(2, "0")}`;
const bytesText = (n) => (n > 1e9 ? `${(n / 1e9).toFixed(1)} GB` : `${Math.round(n / 1e6)} MB`);

function makeView(engine, model, el) {
  const { state, sound, picture } = engine;
  const canvas = element("canvas", { role: "img", "aria-label": "Picture", width: 640, height: 360 });
  const paint = canvas.getContext("2d", { alpha: false });
  const caption = element("div", { class: "caption", "aria-hidden": "true" });
  const spoken = element("div", { class: "for-screen-readers", "aria-live": "polite" });
  const unlock = element("button", { class: "unlock", type: "button", onclick: engine.resume }, "Click for sound");
  const message = element("div", { class: "message", role: "status" });
  const stage = element("div", { class: "stage" }, canvas, caption, unlock, message);
  const mute = element("button", { class: "mute", type: "button", onclick: toggleMute }, "Mute");
  const volume = element("input", {
    type: "range", min: 0, max: 100, class: "volume", "aria-label": "Volume, percent", oninput: setVolume,
    onkeydown: (event) => event.stopPropagation(), // otherwise the notebook takes its arrow keys
  });
  const full = element("button", { class: "full", type: "button", onclick: toggleFull }, "Full screen");
  const status = element("span", { class: "status" });
  const chart = element("canvas", { class: "chart", role: "img" });
  const chips = makeChips();
  const marks = makeMarks();
  const lines = element("ol", { class: "lines", "aria-label": "Transcript: choose a line to hear it again" });
  const root = element(
    "div",
    { class: "live-player", role: "region", "aria-label": "Live commentary", onclick: engine.resume },
    stage,
    chips.strip,
    element("div", { class: "bar" }, mute, volume, full, status),
    element("div", { class: "below" }, element("div", { class: "charted" }, chart, marks.lane), lines),
    spoken,
  );
  el.append(root);
  let captioned = null, announced = "";

  function toggleMute() {
    model.set("muted", !model.get("muted"));
    model.save_changes();
  }
  function setVolume() {
    model.set("volume", volume.value / 100);
    model.save_changes();
  }
  function toggleFull() {
    if (document.fullscreenElement) document.exitFullscreen();
    else stage.requestFullscreen().catch((error) => console.warn("no full screen:", error.message));
  }

  const view = {
    frame(bitmap) {
      if (canvas.width !== bitmap.width || canvas.height !== bitmap.height)
        [canvas.width, canvas.height] = [bitmap.width, bitmap.height];
      paint.drawImage(bitmap, 0, 0);
    },
    sound() {
      unlock.hidden = sound.running();
      const muted = model.get("muted");
      mute.textContent = muted ? "Unmute" : "Mute";
      mute.setAttribute("aria-pressed", String(muted));
      if (document.activeElement !== volume) volume.value = Math.round(100 * model.get("volume"));
      for (const line of lines.children)
        line.classList.toggle("replaying", Number(line.dataset.comment) === state.replaying);
    },
    reset() {
      lines.replaceChildren();
      caption.replaceChildren();
      captioned = null;
      for (const line of state.transcript.values()) view.line(line);
      view.sound();
      view.status();
      view.chart();
    },
    caption(line) {
      if (!captioned || line.comment >= captioned.comment) {
        captioned = line;
        caption.replaceChildren(...line.words.map(({ text }) => element("span", {}, `${text} `)));
        view.words();
        // Screen readers get each sentence once, when it begins.
        const fresh = line.text.startsWith(announced) ? line.text.slice(announced.length) : line.text;
        if (fresh.trim()) spoken.textContent = fresh.trim();
        announced = line.text;
      }
      view.line(line);
    },
    words() {
      if (!captioned || !captioned.words) return;
      const at = sound.position(captioned.comment);
      captioned.words.forEach((word, k) => {
        const span = caption.children[k];
        if (span) span.classList.toggle("unheard", at !== null && at + 0.1 < word.at);
      });
    },
    line({ comment, text, at_s }) {
      let line = lines.querySelector(`[data-comment="${comment}"]`);
      if (!line) {
        const again = element("button", { type: "button", onclick: () => engine.replay(comment) });
        line = element("li", { "data-comment": comment }, again);
        const follow = lines.scrollHeight - lines.scrollTop - lines.clientHeight < 40;
        lines.append(line);
        while (lines.children.length > 500) lines.firstChild.remove();
        if (follow) lines.scrollTop = lines.scrollHeight;
      }
      const stamp = element("time", {}, clockText(at_s));
      line.firstChild.replaceChildren(stamp, ` ${text}`);
      line.firstChild.setAttribute("aria-label", `${clockText(at_s)}, ${text} Hear it again.`);
      if (lines.scrollHeight - lines.scrollTop - lines.clientHeight < 60) lines.scrollTop = lines.scrollHeight;
    },
    status() {
      const { run } = state;
      const sample = state.rows.findLast((row) => row.kind === "sample") || {};
      const { drawn, late, hidden, lost } = picture.counts;
      const memory = sample.vram_used_bytes ?? sample.rss_bytes;
      status.textContent = run
        ? [
            run.source,
            run.commentator,
            run.voice ?? "text only",
            sample.delay_applied_s != null && `delay ${sample.delay_applied_s.toFixed(2)} s`,
            !run.over && state.fps !== null && `${state.fps.toFixed(0)} fps`,
            memory && `${sample.vram_used_bytes != null ? "VRAM" : "memory"} ${bytesText(memory)}`,
            `${late + lost + (sample.frames_dropped ?? 0)} dropped${hidden ? `, ${hidden} unseen` : ""}`,
            run.over && "ended",
          ]
            .filter(Boolean)
            .join(" · ")
        : "";
      const silent = state.silentFor > NO_ANSWER_S;
      message.textContent = silent ? "No answer from the kernel" : model.get("message");
      message.hidden = !message.textContent;
      root.dataset.drawn = drawn;
    },
    chart() {
      const axis = drawChart(chart, state.rows);
      const sample = state.rows.findLast((row) => row.kind === "sample");
      const until = state.run && state.run.over ? Infinity : sample ? sample.at_s : 0;
      if (axis) marks.update(state.events, axis, Math.min(axis.last, until));
    },
    events: (now, drawn) => chips.update(state.events, now, drawn),
  };
  const onMessage = () => view.status();
  const onSound = () => view.sound();
  const resized = new ResizeObserver(() => view.chart());
  resized.observe(chart);
  model.on("change:message", onMessage);
  model.on("change:muted", onSound);
  model.on("change:volume", onSound);
  engine.add(view);
  view.reset();
  return () => {
    engine.remove(view);
    resized.disconnect();
    model.off("change:message", onMessage);
    model.off("change:muted", onSound);
    model.off("change:volume", onSound);
  };
}

// Three traces over the last minute and a half, in seconds: time to first sound, delay, picture/sound error.
// Return the axis of time: its first and last second, and the place of a second in the canvas.
function drawChart(canvas, rows) {
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  if (!width) return null;
  const scale = window.devicePixelRatio || 1;
  [canvas.width, canvas.height] = [width * scale, height * scale];
  const paint = canvas.getContext("2d");
  paint.scale(scale, scale);
  const style = getComputedStyle(canvas);
  const colour = (name) => style.getPropertyValue(name).trim();
  const samples = rows.filter((r) => r.kind === "sample" && r.delay_applied_s != null);
  const cycles = rows.filter((r) => r.kind === "cycle" && r.first_sound_latency_s != null);
  const errors = cycles.filter((r) => r.sync_error_s != null);
  const traces = [
    ["delay", "--delay", samples.map((r) => [r.at_s, r.delay_applied_s]), true],
    ["first sound", "--latency", cycles.map((r) => [r.first_sound_s, r.first_sound_latency_s]), false],
    ["picture/sound error", "--error", errors.map((r) => [r.heard_from_s, Math.abs(r.sync_error_s)]), false],
  ];
  const last = Math.max(10, ...rows.map((r) => r.at_s ?? r.first_sound_s ?? 0));
  const first = Math.max(0, last - CHART_S);
  const top = 1.15 * Math.max(0.5, ...traces.flatMap(([, , points]) => points.filter(([t]) => t >= first).map(([, v]) => v)));
  const [left, right, above, below] = [34, 6, 32, 16]; // there is a lane for marks above
  const x = (t) => left + ((t - first) / (last - first)) * (width - left - right);
  const y = (v) => height - below - (v / top) * (height - above - below);
  paint.font = "10px sans-serif";
  paint.fillStyle = paint.strokeStyle = colour("--ink");
  paint.textBaseline = "middle";
  paint.textAlign = "right";
  for (const v of [0, top / 2, top]) {
    paint.globalAlpha = 0.25;
    paint.beginPath();
    paint.moveTo(left, y(v));
    paint.lineTo(width - right, y(v));
    paint.stroke();
    paint.globalAlpha = 1;
    paint.fillText(`${v.toFixed(1)} s`, left - 4, y(v));
  }
  paint.textAlign = "left";
  paint.fillText(clockText(first), left, height - 7);
  paint.textAlign = "right";
  paint.fillText(clockText(last), width - right, height - 7);
  paint.textAlign = "left";
  let at = left;
  const words = [];
  for (const [name, variable, all, joined] of traces) {
    const points = all.filter(([t]) => t >= first);
    paint.fillStyle = paint.strokeStyle = colour(variable);
    paint.lineWidth = 1.5;
    if (joined) {
      paint.beginPath();
      points.forEach(([t, v]) => paint.lineTo(x(t), y(v)));
      paint.stroke();
    } else {
      for (const [t, v] of points) {
        paint.beginPath();
        paint.arc(x(t), y(v), 2.5, 0, 7);
        paint.fill();
      }
    }
    const value = points.length ? `${points[points.length - 1][1].toFixed(2)} s` : "–";
    const label = `${name} ${value}`;
    paint.fillText(label, at, 8);
    at += paint.measureText(label).width + 12;
    words.push(label);
  }
  canvas.setAttribute("aria-label", `Chart of the last ${Math.round(last - first)} seconds: ${words.join(", ")}`);
  return { first, last, x };
}

export default () => {
  let engine = null;
  return {
    initialize({ model }) {
      engine = makeEngine(model);
      return () => engine.end();
    },
    render: ({ model, el }) => makeView(engine, model, el),
  };
};
