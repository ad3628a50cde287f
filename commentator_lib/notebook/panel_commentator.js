// The tab "Commentator": who speaks, what it needs, whether this machine can run it, and what it watches for.

function makeCommentatorTab(engine, model, act) {
  const list = element("div", { class: "choices", role: "radiogroup", "aria-label": "Commentator" });
  const fields = element("div", { class: "fields" });
  const loading = element("div", { class: "loading", role: "status" });
  const bar = element("progress", { max: 1, "aria-label": "Loading" });
  const loadingWords = element("span");
  loading.append(bar, " ", loadingWords);
  const profile = selectBox((name) => act("update", { profile: name }));
  const watchFor = textBox((text) => act("instruct", { text }), { placeholder: "empty: what the profile says", size: 30 });
  const speech = checkBox("Speak", "Off: the comments are only shown", (on) => act("update", { speech: on }));
  const hear = checkBox("Hear the programme", "From the next start on, a commentator that can hear gets the programme's sound", (on) => act("update", { hear: on }));
  const boxes = new Map();
  const words = element(
    "div", { class: "row" },
    labelled("Profile", profile, "The role that the commentator plays"),
    labelled("Instruction", watchFor, "What to watch for, from now on; Enter sends it"),
    speech, hear,
  );

  function fieldsOf(card, { keySet, loaded }) {
    const parts = [element("p", {}, `${card.words} `, element("b", {}, card.found && card.state !== "ready" ? card.found : ""), card.fix ? ` ${card.fix}` : "")];
    const row = element("div", { class: "row" });
    for (const { name, label, help, value } of card.fields) {
      const box = textBox((text) => act("update", { [name]: text }), { size: 30 });
      box.show(value);
      boxes.set(name, box);
      row.append(labelled(label, box, help));
    }
    if (card.takesKey) {
      const key = element("input", {
        type: "password", size: 18, autocomplete: "off", placeholder: keySet ? "a key is set" : "none", onkeydown: (event) => {
          event.stopPropagation();
          if (event.key === "Enter") send();
        },
      });
      const send = () => {
        act("key", { key: key.value });
        key.value = "";
      };
      row.append(labelled("Key", key, "Kept in the program's memory, and never shown again"), actionButton("Set key", "Keep this key until the program ends", send));
    }
    if (card.name !== "scripted")
      row.append(actionButton(loaded ? "Loaded" : "Load", "Load it now, so that the next start is quick", () => act("warm up")));
    row.append(actionButton("Check again", "Find out again what this machine can run", () => act("states")));
    return [...parts, row];
  }

  function show() {
    const all = model.get("commentator_cards");
    const { loading: progress } = model.get("controls");
    const { cards = [], chosen, given } = all;
    renew(list, [cards.map((c) => [c.name, c.state]), chosen, given], () =>
      given ? [element("p", {}, `The program gave its own commentator: ${given}.`)]
        : cards.map((card) => {
            const radio = element("input", { type: "radio", name: `commentator-${engine.page}`, checked: card.name === chosen, onchange: () => act("commentator", { name: card.name }) });
            const state = element("span", { class: "state", "data-state": card.state === "ready" ? "ready" : "not" }, card.state);
            return element("label", { title: [card.words, card.found].filter(Boolean).join(" ") }, radio, ` ${card.name} `, state);
          }),
    );
    const card = cards.find((c) => c.name === chosen);
    renew(fields, [card && [card.name, card.state, card.found, card.fix, card.fields.map((f) => f.name)], all.keySet, all.loaded], () => (card ? fieldsOf(card, all) : []));
    for (const { name, value } of card?.fields ?? []) boxes.get(name)?.show(value);
    profile.show((all.profiles ?? []).map((p) => [p.name, p.label]), all.profile);
    watchFor.show(all.instruction ?? "");
    speech.show(Boolean(all.speech));
    hear.show(Boolean(all.hear));
    loading.classList.toggle("nothing", !progress);
    if (progress) {
      if (progress.share == null) bar.removeAttribute("value");
      else bar.value = progress.share;
      setText(loadingWords, progress.words);
    }
  }
  return { name: "Commentator", parts: [element("div", { class: "two" }, list, element("div", {}, fields, loading)), words], show };
}
