// What is seen of the standing guest: code, registers, stack, memory, backtrace, points.

import { at, el, fill, spans } from "./dom.js";
import { renderedDocument } from "./documents.js";
import { empty } from "./tabs.js";

export class Panes {
  #link;
  #go;
  #report;
  #frame = 0;
  #place = "rsp";
  #ran = { file: "", lines: new Set() };
  views = {};

  constructor(link, go, report) {
    this.#link = link;
    this.#go = go;
    this.#report = report;
    for (const name of ["registers", "backtrace", "stack", "memory", "points"]) this.views[name] = el("div");
    this.#memoryForm();
  }

  addTo(tabs) {
    tabs.add("registers", "Registers", this.views.registers, () => this.#draw("registers", (a) => this.#registers(a)));
    tabs.add("backtrace", "Backtrace", this.views.backtrace, () => this.#draw("backtrace", (a) => this.#frames(a)));
    tabs.add("stack", "Stack", this.views.stack, () => this.#draw("stack", (a) => fill(this.views.stack, renderedDocument(a, this.#go))));
    tabs.add("memory", "Memory", this.views.memory, () => this.#draw("memory", (a) => this.#memory(a), { place: this.#place }));
    tabs.add("points", "Breakpoints", this.views.points, () => this.#draw("points", (a) => this.#points(a)));
  }

  // Which lines have run since the call, where that was asked for.
  ran({ file, lines, why }) {
    if (why) this.#report(why);
    this.#ran = { file, lines: new Set(lines) };
    this.code();
  }

  moved() {
    this.#frame = 0;
    this.#ran = { file: "", lines: new Set() };
    this.code();
  }

  async #draw(pane, show, parts = {}) {
    const view = pane === "memory" ? this.memoryRows : this.views[pane];
    try {
      show(await this.#link.ask("look", { pane, ...parts }));
      view.classList.remove("stale");
    } catch (error) {
      if (isBlank(view) || pane === "memory") empty(view, error.message);
      view.classList.add("stale");
    }
  }

  async code() {
    let answer;
    try {
      answer = await this.#link.ask("look", { pane: "code", frame: this.#frame });
    } catch (error) {
      at("code").classList.add("stale");
      if (isBlank(at("assembly"))) empty(at("assembly"), error.message);
      return;
    }
    at("code").classList.remove("stale");
    at("function").textContent = answer.function || "code";
    at("file").textContent = answer.file ? `${answer.file}:${answer.current}` : "";
    at("source").hidden = answer.lines.length === 0;
    this.#source(answer);
    this.#assembly(answer);
  }

  #source(answer) {
    const file = answer.file;
    const rows = answer.lines.map((line) => {
      const isHere = line.number === answer.current;
      const hasRun = file === this.#ran.file && this.#ran.lines.has(line.number);
      const kind = `row${isHere ? " here" : ""}${hasRun ? " ran" : ""}`;
      const gutter = this.#gutter(line.stops, `${file}:${line.number}`, line.number);
      return el("div", { class: kind, data: { line: line.number } }, gutter, el("code", {}, line.text || " "));
    });
    fill(at("source"), ...rows);
    centre(at("source"));
  }

  #assembly(answer) {
    if (answer.why) {
      empty(at("assembly"), answer.why);
      return;
    }
    let symbol = "";
    const rows = [];
    for (const row of answer.rows) {
      const name = row.symbol.replace(/\+0x[0-9a-f]+$/, "");
      if (name && name !== symbol) rows.push(el("div", { class: "row label" }, `${name}:`));
      symbol = name || symbol;
      const gutter = this.#gutter(row.stops, `*${row.address}`, row.address.replace("0x", ""));
      const words = el("code", { title: row.line || row.symbol }, ...spans(row.spans));
      rows.push(el("div", { class: `row${row.is_current ? " here" : ""}` }, gutter, words));
    }
    fill(at("assembly"), ...rows);
    centre(at("assembly"));
  }

  #gutter(stops, place, label) {
    const toggle = () => this.#command(stops ? `delete ${stops}` : `break ${place}`);
    const words = stops ? `Breakpoint ${stops}: click to delete it` : "Click to set a breakpoint";
    return el("button", { class: stops ? "gutter stop" : "gutter", tabindex: "-1", title: words, on: { click: toggle } }, String(label));
  }

  async #command(line) {
    try {
      await this.#link.ask("command", { line });
    } catch (error) {
      this.#report(error.message);
    }
    this.code();
    if (!this.views.points.hidden) this.#draw("points", (a) => this.#points(a));
  }

  #registers(answer) {
    const groups = answer.groups.map(([name, registers]) => {
      const rows = registers.map((one) =>
        el("tr", { class: one.is_changed ? "changed" : "" }, el("th", {}, one.name), el("td", { class: "value" }, one.value), el("td", { class: "dim" }, one.means)),
      );
      return el("table", { class: `registers ${name}` }, el("tbody", {}, ...rows));
    });
    fill(this.views.registers, ...groups);
  }

  #frames(answer) {
    const rows = answer.frames.map((frame) => {
      const choose = () => this.#choose(frame.number);
      const words = [el("span", { class: "s-symbol" }, frame.function || frame.address)];
      if (frame.arguments) words.push(`(${frame.arguments})`);
      const below = [frame.address, frame.kind, frame.position].filter((word) => word).join("  ");
      return el("button", { class: `frame${frame.number === this.#frame ? " here" : ""}`, on: { click: choose } },
        el("span", { class: "number" }, String(frame.number)), el("span", {}, ...words), el("span", { class: "dim below" }, below));
    });
    fill(this.views.backtrace, ...rows, answer.end ? el("p", { class: "dim" }, answer.end) : null);
  }

  #choose(number) {
    this.#frame = number;
    for (const [index, one] of [...this.views.backtrace.querySelectorAll(".frame")].entries()) one.classList.toggle("here", index === number);
    this.code();
  }

  #memoryForm() {
    const input = el("input", { value: this.#place, "aria-label": "Address", spellcheck: "false" });
    const form = el("form", { class: "inline" }, el("label", {}, "at"), input);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#place = input.value.trim() || "rsp";
      this.#draw("memory", (a) => this.#memory(a), { place: this.#place });
    });
    this.memoryRows = el("div", { class: "hex" });
    fill(this.views.memory, form, this.memoryRows);
  }

  #memory(answer) {
    const rows = answer.rows.map((row) => {
      const changed = new Set(row.changed);
      const bytes = row.bytes.map((byte, n) => el("span", { class: changed.has(n) ? "changed" : byte === "00" || byte === "--" ? "dim" : "" }, byte));
      return el("div", { class: "row" }, el("span", { class: "s-address" }, row.address), el("span", { class: "bytes" }, ...bytes), el("span", { class: "dim" }, row.text));
    });
    fill(this.memoryRows, answer.symbol ? el("div", { class: "s-symbol" }, answer.symbol) : null, ...rows);
  }

  #points(answer) {
    const rows = answer.points.map((point) =>
      el("tr", { class: point.enabled ? "" : "off" }, el("td", { class: "right" }, String(point.number)), el("td", {}, point.kind), el("td", {}, point.place),
        el("td", { class: "right" }, String(point.hits)), el("td", { class: "dim" }, point.owner),
        el("td", {}, point.is_own ? el("button", { class: "small", title: "Delete", on: { click: () => this.#command(`delete ${point.number}`) } }, "×") : null)),
    );
    const head = el("tr", {}, ...["#", "kind", "where", "hits", "whose", ""].map((title) => el("th", {}, title)));
    const table = el("table", { class: "rows" }, el("thead", {}, head), el("tbody", {}, ...rows));
    const words = "None. Click a line number or an address to set one; `watch`, `catch` and conditions are commands.";
    fill(this.views.points, rows.length ? table : el("p", { class: "empty" }, words));
  }
}

// Whether nothing of the guest is shown there yet.
const isBlank = (view) => view.querySelector(":scope > :not(.empty)") === null;

// The row where the CPU is, in the middle.
function centre(listing) {
  const here = listing.querySelector(".here");
  if (here) listing.scrollTop = here.offsetTop - listing.clientHeight / 2 + here.offsetHeight;
}
