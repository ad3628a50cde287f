// The page's clocks and its sound: kernel time from page time, and each comment as a track on the sound card's clock.

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
const SOUND_CHANGES = "change:programme_volume change:programme_muted change:voice_volume change:voice_muted";

const pageTime = () => performance.now() / 1000;

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

// Every comment is a track: segments that follow each other on the sound card's clock without a gap, to the sample.
function makeSound(model, clock, changed) {
  let context = null;
  let mixer, live, tracks = new Map(), waiting = [];
  let differences = [], difference = null; // kernel time minus the card's time of what is heard now
  let underruns = 0, replaying = null, duckDb = DUCK_DB;
  const programme = makeProgramme({
    ready: () => running() && clock.known && (difference !== null || (measure(), difference !== null)),
    context: () => context,
    difference: () => difference,
    input: () => mixer.programme,
  });

  // The card's time of what is heard now; the limiter's delay lies between that time and the loudspeaker.
  function heardTime() {
    const stamp = context.getOutputTimestamp ? context.getOutputTimestamp() : null;
    if (stamp && stamp.performanceTime > 0)
      return stamp.contextTime + (performance.now() - stamp.performanceTime) / 1000 - mixer.latency;
    return context.currentTime - (context.outputLatency || context.baseLatency || 0) - mixer.latency;
  }

  function setVolume() {
    if (!context) return;
    mixer.setVolumes();
    duck();
  }

  // The programme is soft while a comment is heard, or one is heard again; not for a voice that is muted.
  function duck() {
    if (!context) return;
    const since = context.currentTime - RELEASE_S - 1;
    const comments = [...tracks.values()]
      .map((track) => [Math.min(...track.segments.map((s) => s.at)), track.end])
      .concat(replaying ? [replaying.heard] : [])
      .filter(([begin, end]) => end > begin && end > since)
      .sort((a, b) => a[0] - b[0]);
    const apart = []; // a comment that is heard again may lie over another one
    for (const [begin, end] of comments) {
      const last = apart[apart.length - 1];
      if (last && begin <= last[1]) last[1] = Math.max(last[1], end);
      else apart.push([begin, end]);
    }
    mixer.duck(apart, model.get("voice_muted") ? 0 : duckDb);
  }

  function forgetDifferences() {
    differences = [];
    difference = null;
  }

  function open() {
    if (context) return;
    context = new AudioContext({ sampleRate: RATE, latencyHint: "interactive" });
    mixer = makeMixer(context, model, forgetDifferences);
    live = context.createGain();
    live.connect(mixer.voice);
    context.onstatechange = () => {
      forgetDifferences();
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
    programme.takeWaiting();
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
    duck();
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
    track.end = Math.max(0, ...track.segments.filter((s) => s.length > 0).map((s) => s.at + s.length));
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
    replaying.source.onended = null;
    replaying.source.stop();
    replaying = null;
    duck();
    live.gain.setTargetAtTime(1, context.currentTime, 0.05);
  }

  return {
    open,
    take,
    takeProgramme: programme.take,
    programmeCounts: programme.counts,
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
        duck();
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
    // Whether a comment's sound is over: "cut" where it was cut, "heard" where all was heard that has come.
    over(comment) {
      const track = tracks.get(comment);
      if (!track || !running()) return null;
      if (heardTime() < track.end) return "";
      return track.cut !== null ? "cut" : "heard";
    },
    // While a moment is seen again, or a question is spoken, the live sound is soft.
    setSoft(soft) {
      if (context) mixer.setSoft(soft);
    },
    position(comment) {
      const track = tracks.get(comment);
      return track && running() ? position(track, heardTime()) : null;
    },
    replay(samples, ended) {
      if (!context || samples.length === 0) return ended();
      stopReplay();
      const source = context.createBufferSource();
      source.buffer = toBuffer(samples);
      source.connect(mixer.voice);
      source.onended = () => {
        stopReplay();
        ended();
      };
      const at = context.currentTime + ATTACK_S + HOLD_S;
      replaying = { source, heard: [at, at + samples.length / RATE] };
      live.gain.setTargetAtTime(0.15, context.currentTime, 0.05);
      source.start(at);
      duck();
    },
    setDuck(dB) {
      duckDb = dB ?? DUCK_DB;
      duck();
    },
    silence() {
      programme.silence();
      for (const comment of [...tracks.keys()]) {
        for (const { source } of tracks.get(comment).segments) if (source) source.stop();
        forget(comment);
      }
      waiting = [];
      duck();
    },
    close() {
      if (context) context.close();
      context = null;
    },
  };
}
