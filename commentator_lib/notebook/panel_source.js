// The tab "Source": cards to choose from, and boxes for what has a name of its own.

const UPLOAD_PART = 1_000_000;

function makeSourceTab(engine, model, act) {
  const cards = element("div", { class: "cards", role: "list" });
  const detail = element("div", { class: "detail" });
  let opened = null;
  const use = (name) => act("source", { name });

  // What belongs to a card that names no source by itself.
  const path = textBox(use, { placeholder: "clip.mp4", size: 34 }, false);
  const chooser = element("input", { type: "file", accept: "video/*,image/*", onchange: () => upload(chooser.files[0]), "aria-label": "Choose a file" });
  const url = textBox(use, { placeholder: "rtsp://…, http://…, udp://…", size: 44 }, false);
  const device = textBox(use, { placeholder: "/dev/video0", size: 16 }, false);
  const sent = element("progress", { max: 1, value: 0, hidden: true, "aria-label": "Sending the file" });
  let microphone = false;
  const withSound = checkBox("with its microphone (wear headphones)", "The microphone hears the commentary too, unless you wear headphones", (on) => (microphone = on));
  const details = {
    file: () => [
      labelled("Choose a file", chooser, "It is copied to the machine that runs the program"),
      sent,
      labelled("or its path", path, "A path on the machine that runs the program; Enter takes it"),
      actionButton("Use file", "Check this file and take it", () => use(path.value)),
    ],
    url: () => [
      labelled("Address", url, "Of a stream or of a video; Enter takes it"),
      actionButton("Use URL", "Check this address and take it", () => use(url.value)),
    ],
    camera: () => [
      actionButton("Use this page's camera", "The browser asks you for it", () => use(microphone ? "browser camera with microphone" : "browser camera")),
      withSound,
      labelled("or a device", device, "A camera of the machine that runs the program; Enter takes it"),
      actionButton("Use device", "Check this device and take it", () => use(device.value)),
    ],
  };

  // Send a file part by part; the next part goes when the kernel has taken the one before.
  let uploads = 0;
  async function upload(file) {
    if (!file) return;
    const number = (uploads += 1);
    const parts = Math.max(1, Math.ceil(file.size / UPLOAD_PART));
    sent.hidden = false;
    for (let part = 0; part < parts; part++) {
      const bytes = await file.slice(part * UPLOAD_PART, (part + 1) * UPLOAD_PART).arrayBuffer();
      const taken = new Promise((resolve) => engine.on("got", (m) => m.upload === number && m.part === part && resolve()));
      act("upload", { upload: number, part, last: part === parts - 1, name: file.name }, [bytes]);
      await taken;
      sent.value = (part + 1) / parts;
    }
    sent.hidden = true;
  }

  function open(kind) {
    opened = opened === kind ? null : kind;
    show();
    if (opened) detail.querySelector("input, button")?.focus();
  }

  function isChosen(card, chosen) {
    if (card.name) return card.name === chosen;
    const kind = chosen.startsWith("browser camera") || chosen.startsWith("/dev/") ? "camera" : chosen.includes("://") ? "url" : "file";
    return card.kind === kind && !["demo", "match", "screen"].includes(chosen);
  }

  function show() {
    const { source = "" } = model.get("controls");
    const all = model.get("source_cards");
    renew(cards, [all, source, opened], () =>
      all.map((card) => {
        const still = card.still ? element("img", { src: card.still, alt: "" }) : element("span", { class: "no-still", "aria-hidden": "true" }, card.label);
        const words = card.found || card.words;
        const button = element(
          "button",
          {
            type: "button", class: "card", title: words, "aria-pressed": String(isChosen(card, source)), "aria-expanded": card.name ? null : String(opened === card.kind),
            onclick: () => (card.name ? use(card.name) : open(card.kind)),
          },
          still, element("span", { class: "label" }, card.label),
        );
        return element("div", { role: "listitem" }, button);
      }),
    );
    renew(detail, opened, () => (opened ? details[opened]() : []));
    if (!opened) {
      const chosen = all.find((card) => isChosen(card, source));
      renew(detail, ["words", source, chosen], () => [element("p", {}, `${source}: ${chosen?.found || chosen?.words || ""}`)]);
    }
    path.show(source.includes("://") || ["demo", "match", "screen"].includes(source) ? path.value : source);
    url.show(source.includes("://") ? source : url.value);
  }
  return { name: "Source", parts: [cards, detail], show };
}
