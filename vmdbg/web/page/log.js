// The lines of the guest's console, each at its instant.

import { el, fill, grouped } from "./dom.js";

export class Log {
  #timeline;
  #go;
  #tick = 0;
  view = el("div", { class: "log" });

  constructor(timeline, go) {
    this.#timeline = timeline;
    this.#go = go;
  }

  async draw() {
    const answer = await this.#timeline.log();
    if (answer === null) return;
    const rows = answer.lines.map((line) =>
      el("button", { data: { tick: line.tick }, on: { click: () => this.#go(line.tick) } }, el("span", { class: "tick" }, grouped(line.tick)), el("span", {}, line.text)));
    if (answer.left_out) rows.splice(answer.lines.length / 2, 0, el("p", { class: "dim" }, `${answer.left_out} lines are not shown`));
    fill(this.view, ...(rows.length ? rows : [el("p", { class: "empty" }, "The guest has written nothing yet.")]));
    this.moved(this.#tick);
  }

  // The line that the guest wrote last is marked; what it is yet to write is dim.
  moved(tick) {
    this.#tick = tick;
    let here = null;
    for (const row of this.view.querySelectorAll("button")) {
      const isLater = Number(row.dataset.tick) > tick;
      row.classList.toggle("later", isLater);
      row.classList.remove("here");
      if (!isLater) here = row;
    }
    here?.classList.add("here");
    if (!this.view.hidden) here?.scrollIntoView({ block: "nearest" });
  }
}
