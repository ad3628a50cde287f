// Five tiles that say how a run does: green is as it should be, amber is worth a look, red is wrong.

const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];
// The limits of green and of amber. People notice a voice that is off its picture by about 0.1 s, and mind a silence of
// some seconds.
const TILES = {
  behind: { name: "behind the camera", limits: [6, 10], help: "How much later than it was captured the picture is shown: the time that the commentator needs to prepare what it says about it." },
  sync: { name: "voice against picture", limits: [0.1, 0.25], help: "How far the last five comments began from the moment of the picture that they speak of (median)." },
  silence: { name: "silence too long", limits: [0.3, 2], help: "Silence between the last five comments beyond the pause that is set (median). Much of it: the commentator cannot keep up, or had nothing to say." },
  frames: { name: "frames a second", limits: [0.02, 0.1], help: "Pictures that this page draws each second, and how many it lost or drew too late in the last seconds." },
  memory: { name: "memory", limits: [0.75, 0.9], help: "Memory that the program uses; with a model on a GPU, that of the GPU." },
};
const WORDS = { good: "as it should be", watch: "worth a look", bad: "wrong", none: "not measured yet" };

function grade(value, [good, watch]) {
  return value <= good ? "good" : value <= watch ? "watch" : "bad";
}

// What each tile shows: {value, detail, grade}.
function readTiles(state) {
  const samples = state.rows.filter((row) => row.kind === "sample");
  const sample = samples[samples.length - 1] ?? {};
  const heard = state.rows.filter((row) => row.kind === "cycle" && row.heard_from_s != null).slice(-5);
  const none = { value: "–", detail: "", grade: "none" };
  const shown = {};
  const graded = (name, number, value, detail = "") => ({ value, detail, grade: grade(number, TILES[name].limits) });
  shown.behind = sample.delay_applied_s == null ? none
    : graded("behind", sample.delay_applied_s, `${sample.delay_applied_s.toFixed(1)} s`);
  const errors = heard.filter((row) => row.sync_error_s != null).map((row) => Math.abs(row.sync_error_s));
  shown.sync = errors.length ? graded("sync", median(errors), secondsText(median(errors))) : none;
  const silences = heard.filter((row) => row.shortfall_s != null).map((row) => Math.max(0, row.shortfall_s));
  shown.silence = silences.length ? graded("silence", median(silences), secondsText(median(silences))) : none;
  const [first, last] = [state.recentFrames[0], state.recentFrames[state.recentFrames.length - 1]];
  const running = state.run && !state.run.over;
  if (running && state.fps !== null && last && last !== first) {
    const [drawn, missed] = [last.drawn - first.drawn, last.missed - first.missed];
    const all = drawn + missed;
    shown.frames = graded("frames", all ? missed / all : 0, state.fps.toFixed(0), `${last.missed} lost`);
    if (last.hidden > first.hidden) shown.frames = { ...shown.frames, detail: "page in the background" };
  } else shown.frames = none;
  const bytes = sample.vram_used_bytes ?? sample.rss_bytes;
  const most = sample.vram_used_bytes != null ? state.run?.vram_total_bytes : state.run?.memory_total_bytes;
  shown.memory = bytes == null ? none
    : { value: bytesText(bytes), detail: sample.vram_used_bytes != null ? "of the GPU" : "", grade: most ? grade(bytes / most, TILES.memory.limits) : "good" };
  return shown;
}

function makeTiles() {
  const strip = element("div", { class: "tiles", role: "group", "aria-label": "How the run does" });
  const tiles = {};
  for (const [name, { name: label, help }] of Object.entries(TILES)) {
    const [value, detail, word] = ["value", "detail", "for-screen-readers"].map((c) => element("span", { class: c }));
    const tile = element("div", { class: `tile ${name}`, title: help, tabindex: 0, role: "group", "aria-label": label },
      element("span", { class: "name" }, label), element("span", { class: "figure" }, value, " ", detail), word);
    tiles[name] = { tile, value, detail, word };
    strip.append(tile);
  }
  return {
    strip,
    update(state) {
      for (const [name, shown] of Object.entries(readTiles(state))) {
        const { tile, value, detail, word } = tiles[name];
        setText(value, shown.value);
        setText(detail, shown.detail);
        setText(word, WORDS[shown.grade]);
        setAttribute(tile, "data-grade", shown.grade);
      }
    },
  };
}
