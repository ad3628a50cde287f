// The tab "Runs": the runs of before, to be seen again, compared and saved; and the film that lies over the picture.

function makeRunsTab(engine, model, act) {
  const list = element("ul", { class: "runs" });
  const compared = element("div", { class: "compared", hidden: true });
  const chosen = new Set();
  const compare = actionButton("Compare", "The numbers of the two chosen runs side by side", () => act("compare", { runs: [...chosen] }), { disabled: true });
  const bar = element("div", { class: "row" }, compare, actionButton("Refresh", "Look for runs again", () => act("runs")), element("span", {}, "Choose two to compare them."));

  engine.on("compared", ({ titles, rows }) => {
    const head = element("tr", {}, ...["", ...titles].map((text) => element("th", { scope: "col" }, text)));
    const body = rows.map(([name, ...values]) => element("tr", {}, element("th", { scope: "row" }, name), ...values.map((v) => element("td", {}, v))));
    compared.replaceChildren(actionButton("Close", "Back to the list", () => (compared.hidden = true)), element("table", {}, element("thead", {}, head), element("tbody", {}, ...body)));
    compared.hidden = false;
  });

  function choose(name, on) {
    if (on) chosen.add(name);
    else chosen.delete(name);
    compare.disabled = chosen.size !== 2;
  }

  function show() {
    const runs = model.get("earlier_runs");
    renew(list, runs, () => {
      chosen.clear();
      compare.disabled = true;
      if (!runs.length) return [element("li", {}, "No run was kept yet.")];
      return runs.map(({ name, title, words, still }) => {
        const box = element("input", { type: "checkbox", "aria-label": `Compare ${title}`, onchange: () => choose(name, box.checked) });
        const button = (label, help, action, more) => actionButton(label, help, () => act(action, { run: name, ...more }), { "aria-label": `${label}: ${title}` });
        return element("li", {}, box,
          still ? element("img", { src: still, alt: "" }) : element("span", { class: "no-still" }),
          element("span", { class: "about" }, element("b", {}, title), element("span", {}, words)),
          button("Play", "See and hear it again; its film is made first", "play", {}),
          button("Video", "Save it as MP4", "download", { what: "video" }),
          button("Captions", "Save its captions: WebVTT, SubRip and TTML", "download", { what: "captions" }),
          button("Log", "Save its log as a ZIP archive", "download", { what: "log" }));
      });
    });
  }
  return { name: "Runs", parts: [bar, compared, list], show };
}

// Takes films and files that come in parts. A film is shown over the picture, with the live sound soft meanwhile.
function makeFilms(engine, stage) {
  const films = new Map();
  let overlay = null;

  function close() {
    if (!overlay) return;
    URL.revokeObjectURL(overlay.querySelector("video").src);
    overlay.remove();
    overlay = null;
    engine.sound.setSoft(false);
  }

  function present(blob, words) {
    close();
    const video = element("video", { src: URL.createObjectURL(blob), controls: true, autoplay: true, onended: close, "aria-label": `Seen again: ${words}` });
    overlay = element("div", { class: "film" }, video, element("span", { class: "again" }, `Again: ${words}`), actionButton("Back to live", "End this film", close));
    stage.append(overlay);
    engine.sound.setSoft(true);
    overlay.querySelector("button").focus();
  }

  engine.on("film", ({ what, name, words, part, parts }, buffers) => {
    const got = part === 0 ? [] : films.get(name) ?? [];
    got[part] = buffers[0].buffer.slice(buffers[0].byteOffset, buffers[0].byteOffset + buffers[0].byteLength);
    films.set(name, got);
    if (part < parts - 1) return;
    films.delete(name);
    const blob = new Blob(got, { type: name.endsWith(".mp4") ? "video/mp4" : "application/octet-stream" });
    if (what !== "download") return present(blob, words);
    const url = URL.createObjectURL(blob);
    element("a", { href: url, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
  });
  return { close };
}
