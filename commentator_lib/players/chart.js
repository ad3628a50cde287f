// The chart of the last minute and a half: how far the picture is behind, when sound was ready, and how far voice and
// picture are apart. A line stands where a setting was changed.

const CHART_FONT = "12px system-ui, sans-serif";

// Round steps of an axis, so that it has three to five numbers.
function axisStep(range) {
  const rough = range / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 5, 10].map((k) => k * power).find((step) => step >= rough);
}

// Steps of an axis of time, in seconds.
const timeStep = (range, most) => [5, 10, 15, 30, 60, 120, 300].find((step) => range / step <= most) ?? 600;

// Return the axis of time: its first and last second, and the place of a second in the canvas.
function drawChart(canvas, rows, changes = []) {
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  if (!width) return null;
  const scale = window.devicePixelRatio || 1;
  [canvas.width, canvas.height] = [width * scale, height * scale];
  const paint = canvas.getContext("2d");
  paint.scale(scale, scale);
  paint.font = CHART_FONT;
  const style = getComputedStyle(canvas);
  const colour = (name) => style.getPropertyValue(name).trim();
  // 1) What is drawn: name, colour, points, and whether they are joined.
  const samples = rows.filter((r) => r.kind === "sample" && r.delay_applied_s != null);
  const cycles = rows.filter((r) => r.kind === "cycle" && r.first_sound_latency_s != null);
  const errors = cycles.filter((r) => r.sync_error_s != null);
  const traces = [
    ["behind", "--delay", samples.map((r) => [r.at_s, r.delay_applied_s]), true],
    ["first sound", "--latency", cycles.map((r) => [r.first_sound_s, r.first_sound_latency_s]), false],
    ["voice off picture", "--error", errors.map((r) => [r.heard_from_s, Math.abs(r.sync_error_s)]), false],
  ];
  // 2) The axes.
  const last = Math.max(10, ...rows.map((r) => r.at_s ?? r.first_sound_s ?? 0));
  const first = Math.max(0, last - CHART_S);
  const shown = traces.flatMap(([, , points]) => points.filter(([t]) => t >= first).map(([, v]) => v));
  const step = axisStep(1.1 * Math.max(0.5, ...shown));
  const top = step * Math.ceil((1.05 * Math.max(0.5, ...shown)) / step);
  const [left, right, above, below] = [44, 8, 38, 34]; // there is a lane for marks above
  const x = (t) => left + ((t - first) / (last - first)) * (width - left - right);
  const y = (v) => height - below - (v / top) * (height - above - below);
  paint.fillStyle = paint.strokeStyle = colour("--ink");
  paint.textBaseline = "middle";
  paint.textAlign = "right";
  for (let v = 0; v <= top + step / 2; v += step) {
    paint.globalAlpha = 0.25;
    paint.beginPath();
    paint.moveTo(left, y(v));
    paint.lineTo(width - right, y(v));
    paint.stroke();
    paint.globalAlpha = 1;
    paint.fillText(v.toFixed(step < 1 ? 1 : 0), left - 5, y(v));
  }
  paint.textAlign = "center";
  const tick = timeStep(last - first, width / 70);
  for (let t = Math.ceil(first / tick) * tick; t <= last; t += tick)
    paint.fillText(clockText(t), Math.min(x(t), width - 14), height - below + 10);
  paint.fillText("time of the run, minutes:seconds", left + (width - left - right) / 2, height - 7);
  paint.save();
  paint.translate(8, above + (height - above - below) / 2);
  paint.rotate(-Math.PI / 2);
  paint.fillText("seconds", 0, 0);
  paint.restore();
  // 3) Where a setting was changed.
  for (const { at_s, words } of changes.filter((c) => c.at_s >= first && c.at_s <= last)) {
    paint.setLineDash([3, 3]);
    paint.beginPath();
    paint.moveTo(x(at_s), above - 2);
    paint.lineTo(x(at_s), height - below);
    paint.stroke();
    paint.setLineDash([]);
    const leftward = x(at_s) > left + (width - left) / 2;
    paint.textAlign = leftward ? "right" : "left";
    paint.fillText(words, x(at_s) + (leftward ? -3 : 3), above + 6);
  }
  // 4) The traces, and a legend with the newest value of each.
  paint.textAlign = "left";
  let at = left;
  const words = [];
  for (const [name, variable, all, joined] of traces) {
    const points = all.filter(([t]) => t >= first);
    paint.fillStyle = paint.strokeStyle = colour(variable);
    paint.lineWidth = 1.5;
    const dot = (px, py) => {
      paint.beginPath();
      paint.arc(px, py, 3, 0, 7);
      paint.fill();
    };
    if (joined) {
      paint.beginPath();
      points.forEach(([t, v]) => paint.lineTo(x(t), y(v)));
      paint.stroke();
      paint.beginPath();
      paint.moveTo(at, 8);
      paint.lineTo(at + 14, 8);
      paint.stroke();
    } else {
      for (const [t, v] of points) dot(x(t), y(v));
      dot(at + 7, 8);
    }
    const value = points.length ? secondsText(points[points.length - 1][1]) : "–";
    const label = `${name} ${value}`;
    paint.fillStyle = colour("--ink");
    paint.fillText(label, at + 18, 8);
    at += 18 + paint.measureText(label).width + 12;
    words.push(label);
  }
  setAttribute(canvas, "aria-label", `Chart of the last ${Math.round(last - first)} seconds: ${words.join(", ")}`);
  return { first, last, x };
}
