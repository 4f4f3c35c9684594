// A prompt with a memory: any command or question, its answer with instants to click at, and numbers drawn over time.

import { el, short, store } from "./dom.js";
import { numericColumns, renderedDocument } from "./documents.js";

const MOST_ANSWERS = 40;
const KEPT = 100;
const EXAMPLES = ["query syscalls", "query exceptions --count-by vector", "query disk", "query interrupts", "last-write rsp", "bt", "ps", "help"];

export class Query {
  #link;
  #go;
  #answers = el("div", { class: "answers" });
  #past = JSON.parse(store("commands") ?? "[]");
  #at = 0;
  view = el("div", { class: "query" });

  constructor(link, go) {
    this.#link = link;
    this.#go = go;
    this.input = el("input", { "aria-label": "A command or question", placeholder: "a command of the prompt, or a question: query writes jiffies", spellcheck: "false", autocomplete: "off", list: "commands" });
    const form = el("form", { class: "inline" }, el("span", { class: "prompt" }, "›"), this.input, el("kbd", {}, "/"));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const line = this.input.value.trim();
      if (!line) return;
      this.input.value = "";
      this.run(line);
    });
    this.input.addEventListener("keydown", (event) => this.#key(event));
    const examples = EXAMPLES.map((line) => el("button", { class: "small", on: { click: () => this.run(line) } }, line));
    this.#answers.append(el("div", { class: "examples" }, ...examples));
    this.view.append(form, this.#answers);
  }

  focus() {
    this.input.focus();
  }

  async run(line) {
    this.#past = [...this.#past.filter((one) => one !== line), line].slice(-KEPT);
    this.#at = this.#past.length;
    store("commands", JSON.stringify(this.#past));
    const body = el("div", { class: "body" }, el("p", { class: "dim" }, "…"));
    const remove = () => made.remove();
    const again = () => this.run(line);
    const made = el("article", { class: "answer" }, el("header", {}, el("code", {}, line),
      el("button", { class: "small", title: "Ask again", on: { click: again } }, "↻"), el("button", { class: "small", title: "Remove", on: { click: remove } }, "×")), body);
    this.#answers.querySelector(".examples")?.remove();
    this.#answers.prepend(made);
    while (this.#answers.childElementCount > MOST_ANSWERS) this.#answers.lastElementChild.remove();
    try {
      const answer = await this.#link.ask("command", { line });
      const plots = plotsOf(numericColumns(answer), this.#go);
      body.replaceChildren(...(plots ? [plots] : []), renderedDocument(answer, this.#go));
      if (!answer.blocks.length && !answer.notices.length) body.replaceChildren(el("p", { class: "dim" }, "done"));
    } catch (error) {
      body.replaceChildren(el("p", { class: "s-bad" }, error.message));
    }
  }

  #key(event) {
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    this.#at = Math.max(0, Math.min(this.#past.length, this.#at + step));
    this.input.value = this.#past[this.#at] ?? "";
  }
}

// A chooser of columns, and the chosen one over time.
function plotsOf(columns, go) {
  if (!columns.length) return null;
  const place = el("div", { class: "plot" });
  const buttons = columns.map((column) => el("button", { class: "small", "aria-pressed": "false", on: { click: () => choose(column) } }, column.title));
  const choose = (column) => {
    const was = buttons[columns.indexOf(column)].getAttribute("aria-pressed") === "true";
    for (const [n, button] of buttons.entries()) button.setAttribute("aria-pressed", String(!was && columns[n] === column));
    place.replaceChildren(...(was ? [] : [plot(column, go)]));
  };
  return el("div", { class: "plots" }, el("span", { class: "dim" }, "over time:"), ...buttons, place);
}

const WIDTH = 900;
const HEIGHT = 120;
const SVG = "http://www.w3.org/2000/svg";

function svg(tag, attributes, ...children) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

function plot({ title, points }, go) {
  const ticks = points.map(([tick]) => tick);
  const values = points.map(([, value]) => value);
  const [first, last] = [Math.min(...ticks), Math.max(...ticks)];
  const [low, high] = [Math.min(0, ...values), Math.max(...values)];
  const x = (tick) => 6 + ((tick - first) / Math.max(1, last - first)) * (WIDTH - 12);
  const y = (value) => HEIGHT - 16 - ((value - low) / Math.max(1e-9, high - low)) * (HEIGHT - 30);
  const dots = points.map(([tick, value]) => {
    const dot = svg("circle", { cx: x(tick).toFixed(1), cy: y(value).toFixed(1), r: 3, class: "dot", tabindex: 0 }, svg("title", {}, `tick ${tick}: ${value}`));
    dot.addEventListener("click", () => go(tick));
    return dot;
  });
  const line = points.map(([tick, value], n) => `${n ? "L" : "M"}${x(tick).toFixed(1)} ${y(value).toFixed(1)}`).join("");
  return svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "chart", role: "img", "aria-label": `${title} over time` },
    svg("path", { d: line, class: "curve" }), ...dots,
    svg("text", { x: 6, y: 11 }, `${title}: ${low} to ${high}`), svg("text", { x: 6, y: HEIGHT - 3 }, short(first)),
    svg("text", { x: WIDTH - 6, y: HEIGHT - 3, "text-anchor": "end" }, short(last)));
}
