// The card of a run: a line that follows the pointer or the arrow keys through all lanes and tells their values, and
// two buttons that save the figure. All texts are put in as text, never as markup.

(() => {
  const card = JSON.parse(document.getElementById("card-data").textContent);
  const root = document.documentElement;
  const figure = document.getElementById("figure");
  const tip = document.getElementById("tip");
  const drawings = [...figure.querySelectorAll("svg.figure")];
  const NEAR_PX = 7;
  let now = null; // the time that is told, s

  // --- light or dark: JupyterLab's theme around an embedded card, else the system's

  function outerTheme() {
    try {
      const light = window.parent.document.body.dataset.jpThemeLight;
      if (light === "true" || light === "false") return light === "true" ? "light" : "dark";
    } catch { /* a page of another origin may not be asked */ }
    return null;
  }
  const prefersDark = window.matchMedia("(prefers-color-scheme: dark)");
  const setTheme = () => { root.dataset.theme = outerTheme() ?? (prefersDark.matches ? "dark" : "light"); };
  setTheme();
  prefersDark.addEventListener("change", setTheme);
  try {
    const watched = { attributes: true, attributeFilter: ["data-jp-theme-light"] };
    if (window.parent !== window) new MutationObserver(setTheme).observe(window.parent.document.body, watched);
  } catch { /* as above */ }

  // A frame that has the attribute data-fit becomes as high as the card.
  try {
    const frame = window.frameElement;
    const fit = () => { frame.style.height = `${Math.ceil(document.body.getBoundingClientRect().height) + 4}px`; };
    if (frame?.hasAttribute("data-fit")) new ResizeObserver(fit).observe(document.body);
  } catch { /* as above */ }

  // --- the line and what it tells

  const shown = () => drawings.find((svg) => svg.getClientRects().length) ?? drawings[0];
  const cursors = drawings.map((svg) => {
    const line = document.createElementNS("http://www.w3.org/2000/svg", "line");
    line.setAttribute("class", "cursor");
    line.setAttribute("y1", svg.dataset.top);
    line.setAttribute("y2", svg.dataset.bottom);
    line.style.visibility = "hidden";
    svg.append(line);
    // It lies over everything, so that the browser's own hints do not show beside the line's.
    const cover = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    for (const [name, value] of Object.entries({ class: "cover", x: 0, y: 0, width: "100%", height: "100%", fill: "none" }))
      cover.setAttribute(name, value);
    cover.setAttribute("pointer-events", "all");
    svg.append(cover);
    return line;
  });
  const axis = (svg) => ({ left: +svg.dataset.left, right: +svg.dataset.right, width: svg.viewBox.baseVal.width });
  const xOf = (svg, at) => {
    const { left, right } = axis(svg);
    return left + (at / card.end_s) * (right - left);
  };
  const nearS = () => {
    const svg = shown();
    const { left, right, width } = axis(svg);
    return (NEAR_PX * width * card.end_s) / ((right - left) * (svg.getBoundingClientRect().width || width));
  };

  function clock(at) {
    const tenths = Math.round(at * 10);
    const [hours, minutes] = [Math.floor(tenths / 36000), Math.floor(tenths / 600) % 60];
    const seconds = ((tenths % 600) / 10).toFixed(1).padStart(4, "0");
    return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${seconds}` : `${minutes}:${seconds}`;
  }

  // The index of the time that is nearest to `at`; times are sorted.
  function nearest(times, at) {
    let low = 0;
    let high = times.length - 1;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (times[middle] <= at) low = middle;
      else high = middle;
    }
    return Math.abs(times[high] - at) < Math.abs(times[low] - at) ? high : low;
  }

  function told(at) {
    const near = nearS();
    const lines = [clock(at)];
    for (const change of card.changes)
      if (Math.abs(change.at_s - at) <= near) lines.push(`${clock(change.at_s)} changed: ${change.words}`);
    const bar = card.bars.find((b) => at >= b.from_s && at <= b.to_s)
      ?? card.bars.find((b) => at >= b.from_s - near && at <= b.to_s + near);
    if (bar) lines.push(`${clock(bar.from_s)} – ${clock(bar.to_s)}${bar.outcome === "interrupted" ? " (cut short)" : ""}: ${bar.words}`);
    for (const failure of card.failures)
      if (Math.abs(failure.at_s - at) <= near) lines.push(`${clock(failure.at_s)} ${failure.words}`);
    const marks = card.marks.filter((m) => Math.abs(m.at_s - at) <= near).sort((a, b) => b.importance - a.importance);
    for (const mark of marks.slice(0, 3))
      lines.push(`${clock(mark.at_s)} ${mark.words} (importance ${mark.importance}, ${mark.told ? "told" : "not told"})`);
    if (marks.length > 3) lines.push(`and ${marks.length - 3} more events`);
    for (const { name, unit, digits, reach_s, at_s, values } of card.series) {
      if (!at_s.length) continue;
      const k = nearest(at_s, at);
      if (Math.abs(at_s[k] - at) <= Math.max(near, reach_s)) lines.push(`${name}: ${values[k].toFixed(digits)} ${unit}`);
    }
    return lines;
  }

  // `y` is the pointer's height in the figure, 0 to 1: what is told lies where the pointer does not.
  function show(at, y = 0.2) {
    now = Math.min(card.end_s, Math.max(0, at));
    drawings.forEach((svg, k) => {
      const x = xOf(svg, now);
      cursors[k].setAttribute("x1", x);
      cursors[k].setAttribute("x2", x);
      cursors[k].style.visibility = "visible";
    });
    tip.replaceChildren(...told(now).map((text) => {
      const line = document.createElement("div");
      line.textContent = text;
      return line;
    }));
    tip.hidden = false;
    // Beside the line, on the side where there is more room.
    const svg = shown();
    const x = (xOf(svg, now) / axis(svg).width) * svg.getBoundingClientRect().width;
    const width = tip.offsetWidth;
    const right = x + 12 + width <= figure.clientWidth;
    tip.style.left = `${right ? x + 12 : Math.max(0, x - 12 - width)}px`;
    const top = Math.round((y < 0.45 ? 0.5 : 0.02) * figure.clientHeight);
    tip.style.top = `${Math.max(0, Math.min(top, figure.clientHeight - tip.offsetHeight))}px`;
  }

  function hide() {
    now = null;
    tip.hidden = true;
    for (const line of cursors) line.style.visibility = "hidden";
  }

  for (const svg of drawings) {
    const follow = (event) => {
      const { left, right, width } = axis(svg);
      const box = svg.getBoundingClientRect();
      const x = ((event.clientX - box.left) / box.width) * width;
      show(((x - left) / (right - left)) * card.end_s, (event.clientY - box.top) / box.height);
    };
    svg.addEventListener("pointermove", follow);
    svg.addEventListener("pointerdown", follow);
    svg.addEventListener("pointerleave", hide);
  }
  const stops = [...card.bars.map((b) => b.from_s), ...card.marks.map((m) => m.at_s), ...card.changes.map((c) => c.at_s)]
    .sort((a, b) => a - b);
  figure.addEventListener("keydown", (event) => {
    const step = card.end_s / (event.shiftKey ? 20 : 200);
    const at = now ?? 0;
    const moves = {
      ArrowRight: () => at + step,
      ArrowLeft: () => at - step,
      ArrowDown: () => stops.find((s) => s > at + 0.01) ?? at,
      ArrowUp: () => stops.findLast((s) => s < at - 0.01) ?? at,
      Home: () => 0,
      End: () => card.end_s,
    };
    if (event.key === "Escape") hide();
    else if (moves[event.key]) show(moves[event.key]());
    else return;
    event.preventDefault();
  });
  figure.addEventListener("blur", hide);

  // --- saving: a drawing that stands for itself, with the colours that are seen now

  function standalone() {
    const svg = shown();
    const copy = svg.cloneNode(true);
    for (const extra of copy.querySelectorAll(".cursor, .cover")) extra.remove();
    const box = svg.getBoundingClientRect();
    const [width, height] = [Math.round(box.width), Math.round(box.height)];
    copy.setAttribute("width", width);
    copy.setAttribute("height", height);
    const colours = getComputedStyle(root);
    const style = document.createElementNS("http://www.w3.org/2000/svg", "style");
    style.textContent = document.getElementById("figure-style").textContent
      .replace(/var\((--[a-z0-9]+)\)/g, (_, name) => colours.getPropertyValue(name).trim());
    const ground = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    for (const [name, value] of [["width", "100%"], ["height", "100%"], ["fill", colours.getPropertyValue("--background").trim()]])
      ground.setAttribute(name, value);
    const title = document.createElementNS("http://www.w3.org/2000/svg", "title");
    title.textContent = card.summary;
    copy.prepend(title, style, ground);
    return { text: new XMLSerializer().serializeToString(copy), width, height };
  }

  function save(blob, ending) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = `${card.name}-figure.${ending}`;
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  }

  document.getElementById("save-svg").addEventListener("click", () => {
    save(new Blob([standalone().text], { type: "image/svg+xml" }), "svg");
  });
  document.getElementById("save-png").addEventListener("click", () => {
    const { text, width, height } = standalone();
    const picture = new Image();
    picture.onload = () => {
      const canvas = document.createElement("canvas");
      [canvas.width, canvas.height] = [2 * width, 2 * height];
      canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
      canvas.toBlob((blob) => save(blob, "png"), "image/png");
    };
    picture.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
  });
})();
