// Views that are a command's answer, asked for anew where the guest has moved.

import { el, fill, store } from "./dom.js";
import { renderedDocument } from "./documents.js";

const VIEWS = [
  ["Tasks", "ps"], ["Current task", "current"], ["Run queues", "runq"], ["Memory areas", "vmas"], ["Open files", "files"], ["Kernel log", "dmesg"],
  ["Page tables", "maps"], ["CPU", "cpu"], ["CPUs", "cpus"], ["Interrupt table", "idt"], ["Segments", "gdt"],
  ["Devices", "devices"], ["PCI", "pci"], ["Interrupts", "irq"], ["Disks", "disk"], ["Ports", "io"], ["Screen text", "screen"],
  ["Locals", "locals"], ["Watched", "display"], ["Where in time", "when"], ["Stops", "history"], ["Bookmarks", "bookmark"],
];

export class Views {
  #link;
  #go;
  #body = el("div");
  #asked = 0;
  view = el("div", { class: "views" });

  constructor(link, go) {
    this.#link = link;
    this.#go = go;
    this.choice = el("select", { "aria-label": "Which view" }, ...VIEWS.map(([title, line]) => el("option", { value: line }, title)));
    this.choice.value = VIEWS.some(([, line]) => line === store("view")) ? store("view") : VIEWS[0][1];
    this.choice.addEventListener("change", () => {
      store("view", this.choice.value);
      this.draw();
    });
    this.view.append(el("div", { class: "inline" }, this.choice), this.#body);
  }

  async draw() {
    const asked = ++this.#asked;
    try {
      const answer = await this.#link.ask("command", { line: this.choice.value });
      if (asked === this.#asked) fill(this.#body, renderedDocument(answer, this.#go));
    } catch (error) {
      if (asked === this.#asked) fill(this.#body, el("p", { class: "empty" }, error.message));
    }
  }
}
