// The page's side of BrowserCamera: takes frames out of a MediaStream that an ipywebrtc model holds, and sends them as
// JPEG; where the microphone is asked for, also its sound. It has no view of its own; LivePlayer shows the picture.
// `taken` is Unix time in seconds, of frames and of sound on one clock.

const MAX_UNACKNOWLEDGED = 2; // frames: one on its way, one being encoded
const ACKNOWLEDGED_WITHIN_S = 2; // an acknowledgement that has not come by then is lost
const SOUND_RATE = 48000;
const SOUND_PIECE = SOUND_RATE / 10; // samples of each channel in a message
const SOUND_UNDER_WAY = 20; // pieces; more are not sent while none is acknowledged
const SOUND_GAP_S = 0.05; // the stream's own times jitter by less
const CLOCK_SHARE = 0.0003; // how much slower than the page's clock those of camera and microphone may run
const OTHER_CLOCK_S = 1; // a frame is never so late: the camera has begun to count anew
const SOUND_WAITING = 200; // pieces of 10 ms that a page which is busy for a moment may leave with the browser

const unixTime = () => (performance.timeOrigin + performance.now()) / 1000;

function wait(condition, seconds) {
  return Promise.race([condition, new Promise((done) => setTimeout(done, 1000 * seconds))]);
}

// Yields video frames as they come; `at` is the stream's own time in seconds, where it has one. Where the browser has MediaStreamTrackProcessor, they come in a hidden tab too.
async function* pictures(media, track, stopped) {
  if ("MediaStreamTrackProcessor" in window) {
    const reader = new MediaStreamTrackProcessor({ track }).readable.getReader();
    stopped.then(() => reader.cancel());
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      try {
        yield { picture: value, width: value.displayWidth, height: value.displayHeight, at: value.timestamp / 1e6 };
      } finally {
        value.close();
      }
    }
  }
  const video = Object.assign(document.createElement("video"), { srcObject: media, muted: true, playsInline: true });
  await video.play();
  let over = false;
  stopped.then(() => (over = true));
  while (!over) {
    await Promise.race([new Promise((next) => video.requestVideoFrameCallback(next)), stopped]);
    if (!over) yield { picture: video, width: video.videoWidth, height: video.videoHeight, at: null };
  }
}

// Says when a frame was taken. A busy page gets frames late by a time that varies, and their own times do not show by how
// much; the one that came quickest shows it best.
function makeFrameClock() {
  let start = null, before = 0; // Unix time at the stream's 0; the time of the last frame
  return (at) => {
    const now = unixTime();
    if (at === null) return now;
    if (start !== null) start += Math.max(0, at - before) * CLOCK_SHARE;
    if (start === null || now - at < start || now - at > start + OTHER_CLOCK_S) start = now - at;
    before = at;
    return start + at;
  };
}

// ---------------------------------------------------------------- sound

// Yields sound as { channels: [Float32Array, …], rate, at }; `at` is the stream's own time in seconds, where it has one.
async function* sounds(media, track, stopped) {
  if ("MediaStreamTrackProcessor" in window) {
    const reader = new MediaStreamTrackProcessor({ track, maxBufferSize: SOUND_WAITING }).readable.getReader();
    stopped.then(() => reader.cancel());
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const channels = [];
      for (let k = 0; k < Math.min(2, value.numberOfChannels); k++) {
        channels.push(new Float32Array(value.numberOfFrames));
        value.copyTo(channels[k], { planeIndex: k, format: "f32-planar" });
      }
      yield { channels, rate: value.sampleRate, at: value.timestamp / 1e6 };
      value.close();
    }
  }
  // Not at 48 kHz: some browsers refuse a stream of another rate than the context's own.
  const context = new AudioContext();
  const worklet = `registerProcessor("microphone", class extends AudioWorkletProcessor {
    process([input]) {
      if (input.length > 0) this.port.postMessage(input.map((channel) => channel.slice()));
      return true;
    }
  });`;
  const url = URL.createObjectURL(new Blob([worklet], { type: "text/javascript" }));
  try {
    await context.audioWorklet.addModule(url);
    const node = new AudioWorkletNode(context, "microphone");
    const waiting = [];
    let arrived = () => {}, over = false;
    stopped.then(() => ((over = true), arrived()));
    node.port.onmessage = ({ data }) => (waiting.push(data), arrived());
    context.createMediaStreamSource(new MediaStream([track])).connect(node).connect(context.destination); // of silence
    while (!over) {
      if (waiting.length === 0) await new Promise((go) => (arrived = go));
      else yield { channels: waiting.shift().slice(0, 2), rate: context.sampleRate, at: null };
    }
  } finally {
    URL.revokeObjectURL(url);
    context.close();
  }
}

// Joins pieces of any rate to stereo int16 at 48 kHz: `push` returns the samples, left and right in turn, that are ready.
function makeConverter() {
  let place = 0, before = [0, 0]; // of the next sample, counted from the piece's first; the last sample of the last piece
  return ([left, right = left], rate) => {
    const step = rate / SOUND_RATE;
    const count = Math.max(0, Math.ceil((left.length - 1 - place) / step));
    const samples = new Int16Array(2 * count);
    [left, right].forEach((channel, side) => {
      const at = (k) => (k < 0 ? before[side] : channel[k]);
      for (let n = 0; n < count; n++) {
        const x = place + n * step;
        const k = Math.floor(x);
        const value = x === k ? at(k) : at(k) + (x - k) * (at(k + 1) - at(k));
        samples[2 * n + side] = Math.max(-32768, Math.min(32767, Math.round(32768 * value)));
      }
    });
    place += count * step - left.length;
    before = [left[left.length - 1], right[right.length - 1]];
    return samples;
  };
}

// Says when each sample was taken. Sound comes to the page late by a time that varies; what came quickest shows best how
// late it is at least. Between two pieces the samples are counted, so that their times follow each other.
function makeSoundClock() {
  let samples = 0, start = null, expected = null; // samples so far; time of sample 0; the stream's time of the next
  return {
    next(count, seconds, at) {
      if (at !== null && expected !== null && Math.abs(at - expected) > SOUND_GAP_S)
        samples += Math.round((at - expected) * SOUND_RATE); // some were lost
      expected = at === null ? null : at + seconds;
      samples += count;
      const begun = unixTime() - samples / SOUND_RATE;
      start = start === null ? begun : Math.min(start + seconds * CLOCK_SHARE, begun);
    },
    // When the sample was taken that stands `back` samples before the last one.
    taken: (back) => start + (samples - back) / SOUND_RATE,
  };
}

function initialize({ model }) {
  const page = Math.random().toString(36).slice(2, 10);
  const send = (content, buffers) => model.send({ page, ...content }, undefined, buffers);
  let stop = null, acknowledged = 0, changed = () => {}, soundAcknowledged = 0;

  async function start() {
    if (stop) return;
    const stopped = new Promise((done) => (stop = done));
    let media;
    try {
      const holder = await model.widget_manager.get_model(model.get("stream").replace("IPY_MODEL_", ""));
      media = await holder.captureStream();
    } catch (error) {
      send({ kind: "problem", name: error.name || "Error", message: String(error.message || error) });
      stop = null;
      return;
    }
    const [track] = media.getVideoTracks();
    if (!track || track.readyState === "ended") {
      send({ kind: "ended" });
      stop = null;
      return;
    }
    const ended = () => send({ kind: "ended" });
    track.addEventListener("ended", ended);
    const [microphone] = model.get("microphone") ? media.getAudioTracks() : [];
    if (microphone)
      sendSound(sounds(media, microphone, stopped)).catch((error) => console.warn("no sound of the camera:", error));
    try {
      await sendFrames(pictures(media, track, stopped), stopped);
    } finally {
      track.removeEventListener("ended", ended);
    }
  }

  async function sendFrames(frames, stopped) {
    let seq = 0, due = 0, over = false;
    acknowledged = 0;
    stopped.then(() => (over = true));
    const canvas = new OffscreenCanvas(16, 16);
    const paint = canvas.getContext("2d", { alpha: false });
    const takenAt = makeFrameClock();
    for await (const { picture, width, height, at } of frames) {
      if (over) return;
      const taken = takenAt(at);
      if (taken < due) continue;
      // The next frame is due one interval after this one was, so that the mean rate is kept.
      due = Math.max(due, taken - 0.5 / model.get("fps")) + 1 / model.get("fps");
      const scale = Math.min(1, model.get("width") / width, model.get("height") / height);
      const size = [Math.max(1, Math.round(scale * width)), Math.max(1, Math.round(scale * height))];
      if (canvas.width !== size[0] || canvas.height !== size[1]) [canvas.width, canvas.height] = size;
      paint.drawImage(picture, 0, 0, ...size);
      const blob = await canvas.convertToBlob({ type: "image/jpeg", quality: 0.85 });
      send({ kind: "frame", seq: ++seq, taken }, [await blob.arrayBuffer()]);
      const giveUpAt = Date.now() + 1000 * ACKNOWLEDGED_WITHIN_S;
      while (seq - acknowledged >= MAX_UNACKNOWLEDGED && !over && Date.now() < giveUpAt)
        await wait(Promise.race([new Promise((done) => (changed = done)), stopped]), ACKNOWLEDGED_WITHIN_S);
      if (seq - acknowledged >= MAX_UNACKNOWLEDGED) acknowledged = seq;
    }
  }

  async function sendSound(pieces) {
    const convert = makeConverter();
    const clock = makeSoundClock();
    let seq = 0, waiting = [], length = 0, lastSent = 0;
    soundAcknowledged = 0;
    for await (const { channels, rate, at } of pieces) {
      const samples = convert(channels, rate);
      clock.next(samples.length / 2, channels[0].length / rate, at);
      waiting.push(samples);
      length += samples.length;
      if (length < 2 * SOUND_PIECE) continue;
      const piece = new Int16Array(length);
      waiting.reduce((n, part) => (piece.set(part, n), n + part.length), 0);
      const taken = clock.taken(length / 2);
      [waiting, length] = [[], 0];
      // A kernel that does not keep up loses sound, and does not get it later and later.
      if (seq - soundAcknowledged >= SOUND_UNDER_WAY && unixTime() - lastSent < ACKNOWLEDGED_WITHIN_S) continue;
      lastSent = unixTime();
      send({ kind: "sound", seq: ++seq, taken }, [piece.buffer]);
    }
  }

  function end() {
    if (stop) stop();
    stop = null;
  }

  function receive(message) {
    if (message.kind === "start") start();
    else if (message.kind === "stop") end();
    else if (message.kind === "got" && message.page === page) {
      acknowledged = Math.max(acknowledged, message.seq);
      changed();
    } else if (message.kind === "got sound" && message.page === page) {
      soundAcknowledged = Math.max(soundAcknowledged, message.seq);
    }
  }

  const bye = () => send({ kind: "bye" });
  model.on("msg:custom", receive);
  window.addEventListener("pagehide", bye);
  send({ kind: "hello" });
  return () => {
    end();
    model.off("msg:custom", receive);
    window.removeEventListener("pagehide", bye);
  };
}

export default { initialize, render() {} };
