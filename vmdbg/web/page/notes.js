// The notebook: instants with notes, beside the recording; what differs between two; how CPUs interleaved.

import { el, fill } from "./dom.js";
import { renderedDocument } from "./documents.js";

export class Notes {
  #link;
  #go;
  #report;
  #list = el("div");
  #result = el("div", { class: "result" });
  #chosen = [];
  #edited = null;
  view = el("div", { class: "notes" });

  constructor(link, go, report) {
    this.#link = link;
    this.#go = go;
    this.#report = report;
    this.title = el("input", { "aria-label": "A note on this instant", placeholder: "note this instant: what happens here?", maxlength: "400" });
    const form = el("form", { class: "inline" }, this.title, el("button", { class: "small" }, "note"),
      el("button", { class: "small", type: "button", title: "Download the notebook", on: { click: () => this.#export() } }, "Markdown"));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send("add note", { title: this.title.value.trim() || "here" });
      this.title.value = "";
    });
    this.tools = el("div", { class: "inline tools", hidden: true });
    this.path = el("p", { class: "dim" });
    this.view.append(form, this.tools, this.#result, this.#list, this.path);
    link.on("changed", () => this.draw());
  }

  focus() {
    this.title.focus();
  }

  async draw() {
    if (this.#edited !== null) return;
    try {
      this.#show(await this.#link.ask("notes"));
    } catch (error) {
      fill(this.#list, el("p", { class: "s-bad" }, error.message));
    }
  }

  async #send(kind, parts) {
    this.#edited = null;
    try {
      this.#show(await this.#link.ask(kind, parts));
    } catch (error) {
      this.#report(error.message);
    }
  }

  #show({ notes, path }) {
    this.#chosen = this.#chosen.filter((one) => notes.some((note) => note.position === one));
    const words = "No notes yet. One is an instant with a name: go back to it any time, compare two, send a colleague its link.";
    fill(this.#list, ...(notes.length ? notes.map((note) => this.#note(note)) : [el("p", { class: "empty" }, words)]));
    this.path.textContent = path ? `kept in ${path}` : "kept as long as vmdbg runs: of a recording they are kept beside it";
    this.#pair();
  }

  #note(note) {
    const box = el("input", { type: "checkbox", title: "Compare: choose two", "aria-label": `Choose ${note.title}`, on: { change: () => this.#choose(note.position, box) } });
    box.checked = this.#chosen.includes(note.position);
    const text = el("textarea", { rows: Math.min(8, Math.max(1, note.text.split("\n").length)), "aria-label": "Note", placeholder: "…", maxlength: "16384" });
    text.value = note.text;
    text.addEventListener("focus", () => (this.#edited = note.id));
    text.addEventListener("blur", () => {
      this.#edited = null;
      if (text.value !== note.text) this.#send("change note", { note: note.id, title: note.title, text: text.value });
    });
    const remove = () => this.#send("delete note", { note: note.id });
    return el("article", { class: "note" }, box,
      el("div", {}, el("header", {}, el("button", { class: "link", on: { click: () => this.#go(note.position) } }, note.title),
        el("a", { href: `#t=${note.position}`, class: "dim" }, note.position), el("span", { class: "dim place" }, note.place),
        el("button", { class: "small", title: "Delete", on: { click: remove } }, "×")), text));
  }

  #choose(position, box) {
    this.#chosen = this.#chosen.filter((one) => one !== position);
    if (box.checked) this.#chosen = [...this.#chosen, position].slice(-2);
    for (const other of this.#list.querySelectorAll("input[type=checkbox]")) {
      const at = other.closest(".note").querySelector("a").textContent;
      other.checked = this.#chosen.includes(at);
    }
    this.#pair();
  }

  // What can be asked of two instants, or of one and where the guest stands.
  #pair() {
    this.tools.hidden = this.#chosen.length === 0;
    const [first, second] = this.#chosen.length === 2 ? this.#chosen : [this.#chosen[0], "here"];
    const address = el("input", { "aria-label": "Of this address alone", placeholder: "of an address, or of all", size: "22" });
    fill(this.tools, el("span", { class: "dim" }, `${first} and ${second}:`),
      el("button", { class: "small", on: { click: () => this.#differ(first, second) } }, "what differs"),
      el("button", { class: "small", on: { click: () => this.#interleave(first, second, address.value.trim()) } }, "interleaving of CPUs"), address);
  }

  async #differ(first, second) {
    this.#ask(async () => renderedDocument(await this.#link.ask("command", { line: `diff ${first} ${second}` }), this.#go));
  }

  async #interleave(first, second, address) {
    const [begin, until] = first === "here" || Number.parseInt(first, 10) > Number.parseInt(second, 10) ? [second, first] : [first, second];
    this.#ask(async () => {
      const { svg } = await this.#link.ask("draw", { begin, until, address });
      const url = URL.createObjectURL(new Blob([svg], { type: "image/svg+xml" }));
      return el("img", { class: "drawing", src: url, alt: "What the CPUs did, a column a CPU" });
    });
  }

  async #ask(call) {
    fill(this.#result, el("p", { class: "dim" }, "…"));
    try {
      fill(this.#result, el("button", { class: "small close", title: "Close", on: { click: () => fill(this.#result) } }, "×"), await call());
    } catch (error) {
      fill(this.#result, el("p", { class: "s-bad" }, error.message));
    }
  }

  async #export() {
    try {
      const { text } = await this.#link.ask("markdown");
      const link = el("a", { href: URL.createObjectURL(new Blob([text], { type: "text/markdown" })), download: "notes.md" });
      link.click();
    } catch (error) {
      this.#report(error.message);
    }
  }
}
