// Put into a page before it loads: measures, from outside the player, what reaches the canvas and the
// loudspeaker. `window.tap` holds draws [page time s, brightness 0–255] of large canvases, the sound that went
// to the loudspeaker, pairs of the sound card's and the page's time, and clicks.
(() => {
  const tap = (window.tap = { draws: [], blocks: [], stamps: [], clicks: [], watch: false, ended: null });
  const seconds = () => performance.now() / 1000;

  const draw = CanvasRenderingContext2D.prototype.drawImage;
  CanvasRenderingContext2D.prototype.drawImage = function (...args) {
    draw.apply(this, args);
    if (!this.canvas.closest || !this.canvas.closest(".stage")) return;
    const at = seconds();
    const pixel = tap.watch ? this.getImageData(this.canvas.width >> 1, this.canvas.height >> 1, 1, 1).data[1] : 0;
    tap.draws.push([at, pixel]);
  };

  // A worklet sees every sample; anything on the page's own thread would miss some when it is busy.
  const worklet = `registerProcessor("tap", class extends AudioWorkletProcessor {
    process([input]) {
      const samples = input[0] ? input[0].slice() : new Float32Array(128);
      // Now and then the browser gives two blocks the same number, and makes up for it in the next. Where it left blocks
      // out, the numbers stay ahead.
      const next = this.at + 128;
      this.ahead = currentFrame > next ? (this.ahead ?? 0) + 1 : 0;
      this.at = this.at === undefined || this.ahead > 16 || currentFrame > next + 1024 ? currentFrame : next;
      this.port.postMessage([this.at, samples], [samples.buffer]);
      return true;
    }
  });`;
  const connect = AudioNode.prototype.connect;
  AudioNode.prototype.connect = function (to, ...more) {
    if (to instanceof AudioDestinationNode && !(this instanceof AudioWorkletNode)) {
      const context = this.context;
      const url = URL.createObjectURL(new Blob([worklet], { type: "text/javascript" }));
      context.audioWorklet.addModule(url).then(() => {
        const node = new AudioWorkletNode(context, "tap", { numberOfOutputs: 1 });
        node.port.onmessage = ({ data: [frame, samples] }) => tap.blocks.push([frame, samples]);
        connect.call(this, node);
        connect.call(node, context.destination); // its output is silence; it only keeps it running
      });
      setInterval(() => {
        const stamp = context.getOutputTimestamp();
        if (context.state === "running") tap.stamps.push([stamp.contextTime, stamp.performanceTime / 1000]);
      }, 100);
    }
    return connect.call(this, to, ...more);
  };

  window.addEventListener("click", () => tap.clicks.push([seconds(), performance.timeOrigin / 1000 + seconds()]), true);

  // All sound since the page was opened: its first sample's number, the samples as base64 int16, missing blocks.
  tap.sound = () => {
    const blocks = tap.blocks;
    if (blocks.length === 0) return null;
    const first = blocks[0][0];
    const last = blocks[blocks.length - 1][0] + 128;
    const all = new Int16Array(last - first);
    const missing = [];
    blocks.forEach(([frame, samples], k) => {
      if (k > 0 && frame !== blocks[k - 1][0] + 128) missing.push([blocks[k - 1][0], frame]);
      for (let n = 0; n < samples.length; n++) all[frame - first + n] = Math.round(32768 * samples[n]);
    });
    const bytes = new Uint8Array(all.buffer);
    let text = "";
    for (let k = 0; k < bytes.length; k += 32768) text += String.fromCharCode(...bytes.subarray(k, k + 32768));
    return { first, missing, base64: btoa(text) };
  };
})();
