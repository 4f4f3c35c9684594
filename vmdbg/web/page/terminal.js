// The guest's console in xterm.js: its output is a terminal's, and what is typed goes to the guest while it is live.

import { el } from "./dom.js";
import { FitAddon } from "./vendor/addon-fit.mjs";
import { Terminal } from "./vendor/xterm.mjs";

const DARK = { background: "#0d1117", foreground: "#d3dae3", cursor: "#5aa9ff", selectionBackground: "#2b4a6f" };
const LIGHT = {
  background: "#fbfcfd", foreground: "#1d2530", cursor: "#1f6feb", selectionBackground: "#b6d4fb",
  white: "#57606a", brightWhite: "#24292f", yellow: "#8a6100", brightYellow: "#8a6100", green: "#11702f", cyan: "#0f6d7a",
};

// The page's policy knows neither style elements nor style attributes, but what a script does to styles is its own
// affair: what xterm.js writes into elements becomes a sheet that is adopted, and attributes become properties.
function keepStylesToScripts() {
  const create = document.createElement.bind(document);
  document.createElement = (tag, ...rest) => {
    if (tag === "style") return adopted(create("template"));
    const made = create(tag, ...rest);
    if (tag === "span") made.setAttribute = (name, value) => setAttribute(made, name, value);
    return made;
  };
}

function adopted(stand) {
  const sheet = new CSSStyleSheet();
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
  Object.defineProperty(stand, "textContent", { set: (text) => sheet.replaceSync(text), get: () => "" });
  return stand;
}

function setAttribute(element, name, value) {
  if (name === "style") element.style.cssText = value;
  else Element.prototype.setAttribute.call(element, name, value);
}

export class Console {
  #terminal;
  #fit = new FitAddon();
  #link;
  #asked = 0;
  #report;
  view = el("div", { class: "terminal" });

  constructor(link, report) {
    this.#link = link;
    this.#report = report;
    keepStylesToScripts();
    this.#terminal = new Terminal({
      convertEol: false, scrollback: 5000, fontSize: 12,
      fontFamily: 'ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace', cursorBlink: false, screenReaderMode: false,
      allowProposedApi: false, linkHandler: null, logLevel: "off",
    });
    this.#terminal.loadAddon(this.#fit);
    this.#terminal.onData((text) => this.#type(text));
    link.on("wrote", (message) => {
      if (message.lost) this.reload();
      else this.#terminal.write(message.text);
    });
  }

  open(theme) {
    this.#terminal.open(this.view);
    this.theme(theme);
    new ResizeObserver(() => this.fit()).observe(this.view);
  }

  theme(name) {
    this.#terminal.options.theme = name === "light" ? LIGHT : DARK;
  }

  fit() {
    if (this.view.offsetParent !== null) this.#fit.fit();
  }

  focus() {
    this.#terminal.focus();
  }

  // What was written up to where the guest stands: another instant has another.
  async reload() {
    const asked = ++this.#asked;
    const answer = await this.#link.ask("console").catch(() => null);
    if (answer === null || asked !== this.#asked) return;
    // The reset is part of the text (RIS): `reset()` is at once, but what is written only later, after what waits to be.
    this.#terminal.write(`\x1bc${answer.text}`);
  }

  // The lines that can be read, for those who cannot see a terminal and for tests.
  text() {
    const buffer = this.#terminal.buffer.active;
    const lines = [];
    for (let n = 0; n < buffer.length; n += 1) lines.push(buffer.getLine(n).translateToString(true));
    return lines.join("\n");
  }

  #type(text) {
    for (let start = 0; start < text.length; start += 1000) {
      this.#link.ask("type", { text: text.slice(start, start + 1000) }).catch((error) => this.#report(error.message));
    }
  }
}
