// The tab "Pacing": presets first, a slider for each setting under "Advanced", and the chart beside them.

function makePacingTab(engine, model, act, charted) {
  const presets = element("div", { class: "row presets", role: "group", "aria-label": "Presets" });
  const fields = element("div", { class: "sliders" });
  const reset = actionButton("Reset", "Every value as it was before it was changed here", () => act("reset"));
  const advanced = element("details", {}, element("summary", {}, "Advanced"), fields);
  let path = "commentator.toml";
  const file = textBox((text) => (path = text), { size: 20 });
  file.value = path;
  const files = element(
    "div", { class: "row" },
    labelled("Settings file", file, "A path on the machine that runs the program"),
    actionButton("Save", "Write all settings to this file", () => act("save", { path: file.value })),
    actionButton("Load file", "Take the settings of this file", () => act("load", { path: file.value })),
  );
  advanced.append(element("div", { class: "row" }, reset), files);
  const boxes = new Map();

  function makeField({ name, label, help, min, max, step, options, unit }) {
    const value = element("output", { class: "value" });
    const mark = element("span", { class: "changed-mark", title: "changed", role: "img", "aria-label": "changed" }, "●");
    let box;
    if (options) {
      box = selectBox((chosen) => act("update", { [name]: chosen }));
    } else {
      box = element("input", {
        type: "range", min, max, step, oninput: () => setText(value, `${box.value} ${unit}`),
        onchange: () => act("update", { [name]: Number(box.value) }), onkeydown: (event) => event.stopPropagation(),
      });
    }
    const part = labelled(label, box, help);
    part.append(value, mark);
    boxes.set(name, (field) => {
      if (options) box.show(field.options.map((o) => [o, o]), field.value);
      else if (document.activeElement !== box || Number(box.value) === field.value) {
        box.value = field.value;
        setText(value, `${field.value} ${field.unit}`);
      } else setText(value, `${field.value} ${field.unit}`);
      mark.hidden = !field.changed;
      mark.title = `changed: it was ${field.base} ${field.unit}`;
    });
    return part;
  }

  function show() {
    const pacing = model.get("pacing");
    renew(presets, [pacing.presets, pacing.preset], () =>
      (pacing.presets ?? []).map(({ name, words }) =>
        actionButton(name[0].toUpperCase() + name.slice(1), words, () => act("preset", { name }), { "aria-pressed": String(name === pacing.preset) }),
      ),
    );
    renew(fields, (pacing.fields ?? []).map((f) => f.name), () => {
      boxes.clear();
      return pacing.fields.map(makeField);
    });
    for (const field of pacing.fields ?? []) boxes.get(field.name)?.(field);
    reset.disabled = !(pacing.fields ?? []).some((field) => field.changed);
    files.hidden = !pacing.files;
  }
  return { name: "Pacing", parts: [element("div", { class: "two" }, element("div", {}, presets, advanced), charted)], show };
}
