// Small parts that the panel's tabs are made of. `act(action, arguments)` asks the kernel to do something.

let fieldNumber = 0;

// A label and its box on one line, with a line of help for the mouse and for screen readers.
function labelled(label, box, help = "") {
  const id = `live-field-${Math.random().toString(36).slice(2, 7)}-${(fieldNumber += 1)}`;
  box.id = id;
  if (help) box.title = help;
  return element("div", { class: "field" }, element("label", { for: id, title: help }, label), box);
}

// A box of text: `done(text)` is called for Enter, and for leaving it with another text where `leaving` is true.
function textBox(done, attributes = {}, leaving = true) {
  let before = "";
  const box = element("input", {
    type: "text", spellcheck: "false", autocomplete: "off", ...attributes,
    onfocus: () => (before = box.value),
    onkeydown: (event) => {
      event.stopPropagation();
      if (event.key === "Enter") finish(true);
    },
    onblur: () => leaving && finish(),
  });
  function finish(entered = false) {
    if (box.value === before && !entered) return;
    before = box.value;
    done(box.value);
  }
  // A text that the user is changing is not replaced.
  box.show = (text) => {
    if (document.activeElement !== box && box.value !== text) box.value = text;
  };
  return box;
}

function selectBox(done) {
  const box = element("select", { onchange: () => done(box.value), onkeydown: (event) => event.stopPropagation() });
  box.show = (options, value) => {
    const key = JSON.stringify(options);
    if (box.dataset.options !== key) {
      box.replaceChildren(...options.map(([name, label]) => element("option", { value: name }, label)));
      box.dataset.options = key;
    }
    if (document.activeElement !== box || box.value !== value) box.value = value;
  };
  return box;
}

function checkBox(label, help, done) {
  const box = element("input", { type: "checkbox", onchange: () => done(box.checked) });
  const part = element("label", { class: "check", title: help }, box, ` ${label}`);
  part.show = (checked) => (box.checked = checked);
  return part;
}

const actionButton = (label, help, act, more = {}) =>
  element("button", { type: "button", title: help, onclick: act, ...more }, label);

// Replace the children only where `key` has changed, so that nothing flickers and no focus is lost.
function renew(parent, key, make) {
  const text = JSON.stringify(key);
  if (parent.dataset.key === text) return;
  parent.dataset.key = text;
  parent.replaceChildren(...make());
}
