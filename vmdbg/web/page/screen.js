// What a monitor at the guest's VGA shows, at any instant; keys pressed here reach its keyboard while it is live.

import { el } from "./dom.js";

const NAMES = {
  Enter: "enter", Backspace: "backspace", Tab: "tab", Escape: "esc", Delete: "delete", Insert: "insert", Home: "home", End: "end", PageUp: "pgup", PageDown: "pgdn",
  ArrowUp: "up", ArrowDown: "down", ArrowLeft: "left", ArrowRight: "right", " ": "space",
};

export class Screen {
  #link;
  #report;
  #asking = false;
  #image = el("img", { alt: "The guest's screen", tabindex: "0" });
  #words = el("p", { class: "dim" });
  view = el("div", { class: "screen" });

  constructor(link, report) {
    this.#link = link;
    this.#report = report;
    this.#image.addEventListener("keydown", (event) => this.#press(event));
    this.view.append(this.#image, this.#words);
  }

  async draw() {
    if (this.#asking) return;
    this.#asking = true;
    try {
      const answer = await this.#link.ask("screen");
      this.#image.src = `data:image/png;base64,${answer.png}`;
      this.#image.hidden = false;
      this.#words.textContent = `${answer.width}×${answer.height}; click at it to type at the guest's keyboard`;
    } catch (error) {
      this.#image.hidden = true;
      this.#words.textContent = error.message;
    }
    this.#asking = false;
  }

  #press(event) {
    const name = NAMES[event.key] ?? (/^F\d+$/.test(event.key) ? event.key.toLowerCase() : event.key.length === 1 ? event.key.toLowerCase() : null);
    if (name === null || event.metaKey) return;
    event.preventDefault();
    event.stopPropagation();
    const held = [event.ctrlKey && "ctrl", event.altKey && "alt", event.shiftKey && "shift"].filter(Boolean);
    const shifted = event.shiftKey && event.key.length === 1 ? keyOf(event.code) ?? name : name;
    this.#link.ask("press", { chords: [[...held, shifted].join("-")] }).catch((error) => this.#report(error.message));
  }
}

// The sign on a US keyboard's key, for what Shift makes of it is the guest's affair.
function keyOf(code) {
  const signs = { Minus: "minus", Equal: "equal", BracketLeft: "bracket_left", BracketRight: "bracket_right", Backslash: "backslash", Semicolon: "semicolon", Quote: "apostrophe", Comma: "comma", Period: "dot", Slash: "slash", Backquote: "grave", Space: "space" };
  return signs[code] ?? /^(?:Key|Digit)(.)$/.exec(code)?.[1].toLowerCase();
}
