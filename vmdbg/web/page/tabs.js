// A panel of several views, one at a time.

import { el, fill, store } from "./dom.js";

export class Tabs {
  #views = new Map();
  #head;
  #body;
  #name;
  chosen = "";

  constructor(panel) {
    this.#name = panel.id;
    this.#head = panel.querySelector(".tabs");
    this.#body = panel.querySelector(".body");
    this.#head.addEventListener("keydown", (event) => this.#arrow(event));
  }

  // `shown` is called whenever the view is to be looked at: when it is chosen, and when the guest has moved.
  add(name, title, view, shown = () => {}) {
    const tab = el("button", { role: "tab", id: `tab-${name}`, "aria-controls": `view-${name}`, on: { click: () => this.choose(name) } }, title);
    view.id = `view-${name}`;
    view.classList.add("view");
    view.setAttribute("role", "tabpanel");
    view.setAttribute("aria-labelledby", tab.id);
    view.hidden = true;
    this.#views.set(name, { tab, view, shown });
    this.#head.append(tab);
    this.#body.append(view);
  }

  begin() {
    const kept = store(`tab.${this.#name}`);
    this.choose(this.#views.has(kept) ? kept : this.#views.keys().next().value, false);
  }

  choose(name, keep = true) {
    this.chosen = name;
    for (const [one, { tab, view }] of this.#views) {
      view.hidden = one !== name;
      tab.setAttribute("aria-selected", String(one === name));
      tab.tabIndex = one === name ? 0 : -1;
    }
    if (keep) store(`tab.${this.#name}`, name);
    this.refresh();
  }

  number(index) {
    const name = [...this.#views.keys()][index];
    if (name) this.choose(name);
  }

  refresh() {
    this.#views.get(this.chosen)?.shown();
  }

  #arrow(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const names = [...this.#views.keys()];
    const name = names[(names.indexOf(this.chosen) + step + names.length) % names.length];
    this.choose(name);
    this.#views.get(name).tab.focus();
    event.stopPropagation();
  }
}

// What a view shows while it has nothing.
export function empty(view, words) {
  fill(view, el("p", { class: "empty" }, words));
}
