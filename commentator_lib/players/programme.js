// The programme's own sound in LivePlayer's page, and how it is mixed with the voice.
//
// browser.py puts this file before browser.js, whose constants it uses. Times are seconds on the sound card's clock
// unless they say otherwise; "frames" are samples of both channels at 48 kHz.

const ATTACK_S = 0.05; // the programme falls in this time before a comment begins
const RELEASE_S = 0.4; // and rises again in this time after the comment's end
const DUCK_DB = 12; // where the run does not say
const PROGRAMME_KEPT_S = 2; // of the sound that cannot be played yet
const SAME_PLACE = 0.51; // samples: two pieces that are no further apart follow each other
const CORRECT_FROM_S = 0.004; // the sound card's clock runs differently from the kernel's: correct from this error on
const CORRECT_TO_S = 0.0005; // until it is this small
const CORRECT_SHARE = 0.003; // by playing at most this much faster or slower
const JUMP_S = 0.08; // a larger error is not played away: jump
const JUMP_FADE_S = 0.01;
const HOLD_S = 0.01; // a change of a gain begins this far ahead, so that the card still gets it in time

// ---------------------------------------------------------------- the programme's pieces

// Pieces that follow each other make a stretch, gapless to the sample: each starts at the card's frame at which the
// one before ends. At rest the samples are played as they are. `card` has: ready(), context(), difference() (kernel time
// minus the card's), and input() (where the sound goes).
function makeProgramme(card) {
  let stretch = null, waiting = [], lastSeq = -1;
  const counts = { programme_underruns: 0, programme_jumps: 0, programme_corrected: 0 };
  const fade = Math.round(FADE_S * RATE);

  // Sound that the card cannot play yet waits; only the newest is of any use when it can.
  function take(message, samples) {
    if (message.seq <= lastSeq) return; // received before, with a welcome
    lastSeq = message.seq;
    waiting.push({ start: message.start, end: message.start + samples.length / 2 / RATE, samples });
    const newest = waiting[waiting.length - 1].end;
    waiting = waiting.filter(({ end }) => end > newest - PROGRAMME_KEPT_S);
    takeWaiting();
  }

  function takeWaiting() {
    if (card.ready()) waiting.splice(0).forEach(schedule);
  }

  function schedule({ start, end, samples }) {
    const soonest = Math.ceil((card.context().currentTime + SAFE_S) * RATE);
    const planned = Math.round((start - card.difference()) * RATE);
    const frames = samples.length / 2;
    const follows = stretch !== null && Math.abs(start - stretch.until) * RATE <= SAME_PLACE;
    if (follows && stretch.end >= soonest + fade) {
      const early = planned - stretch.end; // so many frames before its time
      if (Math.abs(early) <= JUMP_S * RATE) {
        append(samples, frames + correction(early, frames));
        stretch.until = end;
        return;
      }
      counts.programme_jumps += 1;
    } else if (follows) counts.programme_underruns += 1; // it comes after the end of the one before
    // What comes late is joined in its middle.
    const first = Math.max(planned, soonest);
    if (first - planned > frames - 4 * fade) {
      if (follows) stretch = null; // it has ended, or will with its last piece
      return;
    }
    finish(first);
    begin(first);
    append(samples.subarray(2 * (first - planned)), frames - (first - planned));
    stretch.until = end;
  }

  // By how many frames a piece is made longer, so that the sound comes back to its time without being heard to do so.
  function correction(early, frames) {
    if (Math.abs(early) > CORRECT_FROM_S * RATE) stretch.correcting = true;
    if (Math.abs(early) < CORRECT_TO_S * RATE) stretch.correcting = false;
    if (!stretch.correcting) return 0;
    const most = Math.floor(CORRECT_SHARE * frames);
    counts.programme_corrected += 1;
    return Math.max(-most, Math.min(most, early));
  }

  function begin(at) {
    const gain = card.context().createGain();
    gain.gain.setValueAtTime(0, 0);
    gain.gain.setValueAtTime(0, at / RATE);
    gain.gain.linearRampToValueAtTime(1, (at + fade) / RATE);
    gain.connect(card.input());
    stretch = { gain, end: at, until: null, sources: new Set(), correcting: false, fadeFrom: null };
  }

  function append(samples, frames) {
    const source = card.context().createBufferSource();
    const { gain, sources, end, fadeFrom } = stretch;
    source.buffer = stereoBuffer(card.context(), samples, frames);
    source.connect(gain);
    source.start(end / RATE);
    sources.add(source);
    source.onended = () => {
      sources.delete(source);
      source.disconnect();
      if (sources.size === 0) gain.disconnect(); // the stretch has ended: a further piece would have been added before
    };
    // A fade stands at the end of the last piece until the next one takes it away: so it does not click when none comes.
    if (fadeFrom !== null) gain.gain.cancelScheduledValues(fadeFrom - 0.1 / RATE);
    stretch.end = end + frames;
    stretch.fadeFrom = (stretch.end - fade) / RATE;
    gain.gain.setValueAtTime(1, stretch.fadeFrom);
    gain.gain.linearRampToValueAtTime(0, stretch.end / RATE);
  }

  // End the stretch at a frame, unless it ends before that anyway.
  function finish(at) {
    if (stretch !== null && at < stretch.end - fade) {
      const { gain, sources } = stretch;
      const over = at / RATE + JUMP_FADE_S;
      gain.gain.cancelScheduledValues(at / RATE);
      gain.gain.setValueAtTime(1, at / RATE);
      gain.gain.linearRampToValueAtTime(0, over);
      for (const source of sources) source.stop(over);
    }
    stretch = null;
  }

  return {
    take,
    takeWaiting,
    counts,
    silence() {
      if (stretch !== null) finish(Math.ceil((card.context().currentTime + HOLD_S) * RATE));
      [waiting, lastSeq] = [[], -1];
    },
  };
}

// Interleaved int16 samples as a buffer of so many frames: as they are, or a little longer or shorter. The latter is
// done here and not by playbackRate, whose pieces would end between two samples and leave a seam.
function stereoBuffer(context, samples, frames) {
  const given = samples.length / 2;
  const buffer = context.createBuffer(2, frames, RATE);
  for (const side of [0, 1]) {
    const channel = buffer.getChannelData(side);
    const sample = (k) => samples[2 * Math.max(0, Math.min(given - 1, k)) + side] / 32768;
    for (let k = 0; k < frames; k++) {
      if (given === frames) {
        channel[k] = samples[2 * k + side] / 32768;
        continue;
      }
      // A cubic through the four samples around the place (Catmull and Rom).
      const place = (k * given) / frames;
      const n = Math.floor(place);
      const x = place - n;
      const [a, b, c, d] = [sample(n - 1), sample(n), sample(n + 1), sample(n + 2)];
      channel[k] = b + 0.5 * x * (c - a + x * (2 * a - 5 * b + 4 * c - d + x * (3 * (b - c) + d - a)));
    }
  }
  return buffer;
}

// ---------------------------------------------------------------- ducking

// The programme's level over time as points [time, dB], between which it is linear in dB: `depth` dB down from the
// beginning of each of `comments` ([begin, end], in order) to its end. Where two are close, the lower of both curves.
function duckPoints(comments, depth) {
  const points = [];
  let before = null; // the end of the comment before
  for (const [begin, end] of comments) {
    if (before !== null && begin - before < ATTACK_S + RELEASE_S) {
      const meet = (ATTACK_S * before + RELEASE_S * begin) / (ATTACK_S + RELEASE_S);
      points.push([meet, depth * ((meet - before) / RELEASE_S - 1)]);
    } else {
      if (before !== null) points.push([before + RELEASE_S, 0]);
      points.push([begin - ATTACK_S, 0]);
    }
    points.push([begin, -depth], [end, -depth]);
    before = end;
  }
  if (before !== null) points.push([before + RELEASE_S, 0]);
  return points;
}

// The level at a time.
function duckLevel(points, time) {
  const next = points.findIndex(([t]) => t > time);
  if (points.length === 0 || next === 0) return points.length ? points[0][1] : 0;
  if (next < 0) return points[points.length - 1][1];
  const [[t0, a], [t1, b]] = [points[next - 1], points[next]];
  return a + ((b - a) * (time - t0)) / (t1 - t0);
}

// Moves a gain along such points. A comment's end is not known when it begins: each change replaces what was planned
// from now on, from the level that the gain has by then, so that it never jumps.
function makeDuck(context, gain) {
  let planned = [];
  const factor = (dB) => 10 ** (dB / 20);
  gain.setValueAtTime(1, 0);
  return (comments, depth) => {
    const from = context.currentTime + HOLD_S;
    const points = duckPoints(comments, depth);
    const level = duckLevel(planned, from);
    const onTime = Math.abs(duckLevel(points, from) - level) < 0.01;
    const start = onTime ? from : from + ATTACK_S; // one that comes too late for its curve gets onto it in this time
    const next = points.filter(([t]) => t > start);
    if (!onTime) next.unshift([start, duckLevel(points, start)]);
    // A ramp to a point of the old plan leaves what is under way as it is; then the rest of that plan may go.
    gain.exponentialRampToValueAtTime(factor(level), from);
    gain.cancelScheduledValues(from + 0.5 / RATE);
    for (const [t, dB] of next) gain.exponentialRampToValueAtTime(factor(dB), t);
    planned = [[from, level], ...next];
  };
}

// ---------------------------------------------------------------- the mix

// A peak limiter that sees one block of 128 frames ahead. Sound within full scale passes it unchanged, so the programme
// at rest is the source's to the sample. The browser's own DynamicsCompressorNode is no limiter (its attack lets peaks
// through), adds gain, and changes soft sound as well; a WaveShaperNode would distort what it limits. The gain falls in
// a straight line to what the peak needs when it leaves, is held, and comes back slowly.
const LIMITER = `registerProcessor("limiter", class extends AudioWorkletProcessor {
  constructor() {
    super();
    [this.gain, this.slope, this.target, this.hold] = [1, 0, 1, 0];
    this.late = [new Float32Array(128), new Float32Array(128)];
  }
  process([input], [output]) {
    const [left, right] = this.late;
    const [nextLeft, nextRight] = [input[0], input[1] || input[0]];
    for (let k = 0; k < output[0].length; k++) {
      const a = nextLeft ? nextLeft[k] : 0;
      const b = nextLeft ? nextRight[k] : 0;
      const peak = Math.max(Math.abs(a), Math.abs(b));
      if (peak > 1) {
        const needed = 32767 / 32768 / peak;
        this.target = Math.min(this.target, needed);
        this.slope = Math.min(this.slope, (needed - this.gain) / 128);
        this.hold = 128 + 960;
      }
      if (this.hold > 0) {
        this.gain = Math.max(this.target, this.gain + this.slope);
        if (--this.hold === 0) [this.slope, this.target] = [0, 1];
      } else if (this.gain < 1) {
        this.gain += (1 - this.gain) / 4800;
        if (this.gain > 0.9999) this.gain = 1;
      }
      output[0][k] = Math.max(-1, Math.min(1, this.gain * left[k]));
      output[1][k] = Math.max(-1, Math.min(1, this.gain * right[k]));
      left[k] = a;
      right[k] = b;
    }
    return true;
  }
});`;
const LIMITER_FRAMES = 128; // by which it is late
const SOFT = 0.12; // the level while something else is heard

// programme → its fader → duck ┐
//                              ├ sum → limiter → output
//              voice → its fader ┘
// `changed` is called when the limiter, and with it `latency`, has come.
function makeMixer(context, model, changed) {
  const node = () => context.createGain();
  const [programme, ducked, voice, sum, output] = [node(), node(), node(), node(), node()];
  let latency = 0;
  programme.connect(ducked).connect(sum);
  voice.connect(sum);
  sum.connect(output);
  output.connect(context.destination);
  const level = (name) => (model.get(`${name}_muted`) ? 0 : model.get(`${name}_volume`));
  programme.gain.value = level("programme");
  voice.gain.value = level("voice");

  async function addLimiter() {
    const url = URL.createObjectURL(new Blob([LIMITER], { type: "text/javascript" }));
    try {
      await context.audioWorklet.addModule(url);
      const limiter = new AudioWorkletNode(context, "limiter", {
        channelCount: 2, channelCountMode: "explicit", outputChannelCount: [2],
      });
      sum.disconnect();
      sum.connect(limiter).connect(output);
      latency = LIMITER_FRAMES / RATE;
      changed();
    } catch (error) {
      // A page over plain http, or one whose server forbids it: half the level cannot clip either.
      if (context.state !== "closed") console.warn("LivePlayer mixes at half level, without a limiter:", error.message);
      sum.gain.value = 0.5;
    } finally {
      URL.revokeObjectURL(url);
    }
  }
  addLimiter();

  return {
    programme,
    voice,
    duck: makeDuck(context, ducked.gain),
    get latency() {
      return latency;
    },
    setSoft(soft) {
      output.gain.setTargetAtTime(soft ? SOFT : 1, context.currentTime, 0.05);
    },
    setVolumes() {
      programme.gain.setTargetAtTime(level("programme"), context.currentTime, 0.01);
      voice.gain.setTargetAtTime(level("voice"), context.currentTime, 0.01);
    },
  };
}
