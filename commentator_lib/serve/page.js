// The page of a served panel: the widgets' models over a WebSocket, and the one widget that is the page.
//
// A model has what anywidget gives to a widget's own code: get, set, save_changes, on, off, send. widget_hub.py
// describes the messages, wire.py their bytes.

const AGAIN_MS = [250, 500, 1000, 2000, 4000]; // waits before the page connects again
const models = new Map(); // comm → model
const place = document.getElementById("widget");
const wait = document.querySelector(".wait");
let socket = null, failures = 0, shown = null;

// --- bytes

function pack(message, buffers = []) {
  const parts = buffers.map((b) => (ArrayBuffer.isView(b) ? new Uint8Array(b.buffer, b.byteOffset, b.byteLength) : new Uint8Array(b)));
  const head = new TextEncoder().encode(JSON.stringify({ ...message, buffers: parts.map((p) => p.byteLength) }));
  const all = new Uint8Array([head, ...parts].reduce((n, part) => n + part.byteLength, 4));
  new DataView(all.buffer).setUint32(0, head.byteLength, true);
  let at = 4;
  for (const part of [head, ...parts]) all.set(part, (at += part.byteLength) - part.byteLength);
  return all;
}

function unpack(data) {
  const length = new DataView(data).getUint32(0, true);
  const message = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
  let at = 4 + length;
  const buffers = message.buffers.map((size) => new DataView(data, (at += size) - size, size));
  return [message, buffers];
}

function send(message, buffers) {
  if (socket.readyState === WebSocket.OPEN) socket.send(pack(message, buffers)); // what is meant for a lost connection is lost
}

// --- models

function makeModel(comm, state) {
  const handlers = new Map(); // event → functions
  const changed = new Set(); // not yet saved
  const each = (names, act) => names.split(" ").forEach(act);
  const emit = (name, ...more) => [...(handlers.get(name) ?? [])].forEach((handler) => handler(...more));
  const model = {
    get: (name) => state[name],
    set(name, value) {
      changed.add(name);
      model.update({ [name]: value });
    },
    save_changes() {
      if (changed.size) send({ comm, msg: "update", state: Object.fromEntries([...changed].map((name) => [name, state[name]])) });
      changed.clear();
    },
    on: (names, handler) => each(names, (name) => handlers.set(name, [...(handlers.get(name) ?? []), handler])),
    off: (names, handler) => each(names, (name) => handlers.set(name, (handlers.get(name) ?? []).filter((h) => h !== handler))),
    send: (content, _callbacks, buffers) => send({ comm, msg: "custom", content }, buffers),
    widget_manager: { get_model: async (id) => models.get(id) },
    // What the page itself calls.
    update(part) {
      const names = Object.keys(part).filter((name) => JSON.stringify(state[name]) !== JSON.stringify(part[name]));
      Object.assign(state, part);
      for (const name of names) emit(`change:${name}`, model, state[name]);
      if (names.length) emit("change", model);
    },
    receive: (content, buffers) => emit("msg:custom", content, buffers),
    captureStream: () => navigator.mediaDevices.getUserMedia(state.constraints), // of a widget that stands for a camera
    widget: null, // its code, once that is loaded
    end: null,
  };
  if (state._esm) model.widget = load(model, state._esm);
  return model;
}

async function load(model, code) {
  const url = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
  try {
    const { default: made } = await import(url);
    const widget = typeof made === "function" ? await made() : made;
    model.end = (await widget.initialize?.({ model })) ?? null;
    return widget;
  } finally {
    URL.revokeObjectURL(url);
  }
}

async function show(model) {
  shown = model;
  const { render } = await model.widget;
  if (shown !== model) return;
  place.replaceChildren();
  if (model.get("_css")) {
    const style = document.createElement("style");
    style.textContent = model.get("_css");
    place.append(style);
  }
  const el = document.createElement("div");
  place.append(el);
  const away = await render({ model, el });
  model.away = away ?? null;
  wait.hidden = true;
}

function take(model) {
  model?.away?.();
  model?.end?.();
}

// --- the connection

const receivers = {
  open: ({ comm, state }) => models.set(comm, makeModel(comm, state)),
  root: ({ comm }) => show(models.get(comm)).catch(say),
  update: ({ comm, state }) => models.get(comm)?.update(state),
  custom: ({ comm, content }, buffers) => models.get(comm)?.receive(content, buffers),
  close({ comm }) {
    take(models.get(comm));
    models.delete(comm);
  },
};

function say(words) {
  if (shown) return; // it is there again
  wait.textContent = String(words);
  wait.hidden = false;
}

// A browser does not say why a connection was refused.
async function whyNot() {
  try {
    const answer = await fetch("api/status");
    const said = await answer.json();
    if (!answer.ok) return said.detail;
    return said.viewers >= said.most_viewers ? "All places for viewers are taken." : "The connection was lost.";
  } catch {
    return "The server does not answer.";
  }
}

function connect() {
  socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`);
  socket.binaryType = "arraybuffer";
  socket.onmessage = ({ data }) => {
    failures = 0;
    const [message, buffers] = unpack(data);
    receivers[message.msg]?.(message, buffers);
  };
  // The widgets are made anew from what the server then says. The page stays, so its sound needs no other click.
  socket.onclose = async ({ reason }) => {
    for (const model of models.values()) take(model);
    models.clear();
    place.replaceChildren();
    shown = null;
    setTimeout(connect, AGAIN_MS[Math.min(failures++, AGAIN_MS.length - 1)]);
    say(`${reason || (await whyNot())} Trying again …`);
  };
}

connect();
