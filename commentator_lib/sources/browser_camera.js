// The page's side of BrowserCamera: takes frames out of a MediaStream that an ipywebrtc model holds, and sends them as
// JPEG. It has no view of its own; LivePlayer shows the picture.

const MAX_UNACKNOWLEDGED = 2; // frames: one on its way, one being encoded
const ACKNOWLEDGED_WITHIN_S = 2; // an acknowledgement that has not come by then is lost

function wait(condition, seconds) {
  return Promise.race([condition, new Promise((done) => setTimeout(done, 1000 * seconds))]);
}

// Yields video frames as they come. Where the browser has MediaStreamTrackProcessor, they come in a hidden tab too.
async function* pictures(media, track, stopped) {
  if ("MediaStreamTrackProcessor" in window) {
    const reader = new MediaStreamTrackProcessor({ track }).readable.getReader();
    stopped.then(() => reader.cancel());
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      try {
        yield { picture: value, width: value.displayWidth, height: value.displayHeight };
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
    if (!over) yield { picture: video, width: video.videoWidth, height: video.videoHeight };
  }
}

function initialize({ model }) {
  const page = Math.random().toString(36).slice(2, 10);
  const send = (content, buffers) => model.send({ page, ...content }, undefined, buffers);
  let stop = null, acknowledged = 0, changed = () => {};

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
    for await (const { picture, width, height } of frames) {
      if (over) return;
      const taken = (performance.timeOrigin + performance.now()) / 1000;
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
