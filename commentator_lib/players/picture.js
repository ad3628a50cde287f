// The page's picture: each frame is drawn when it is due by what is heard.

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
