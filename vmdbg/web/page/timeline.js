// The whole history: its console, who ran on each CPU, how much happened when. Zooms from the boot to an instruction.

import { el, grouped, short } from "./dom.js";

const HEIGHTS = { map: 12, ruler: 17, console: 30, lane: 17, density: 15, process: 13 };
const KINDS = ["interrupts", "exceptions", "system calls", "disk", "network"];
const IF_ANY = ["disk", "network"];
const LEFT = 104;
const ASK_MILLISECONDS = 60;
const SHORTEST = 40;
const FONT = '10.5px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace';

export class Timeline {
  #link;
  #go;
  #state = null;
  #view = { start: 0, end: 1 };
  #strip = null;
  #whole = null;
  #lines = [];
  #pending = null;
  #asking = false;
  #again = false;
  #frame = 0;
  #hover = null;
  #drag = null;
  #pointers = new Map();
  #follows = true;
  #rows = [];
  #colours = {};
  frames = 0;

  constructor(area, link, go) {
    this.#link = link;
    this.#go = go;
    this.canvas = el("canvas", { tabindex: "0", role: "img", "aria-label": "Timeline: wheel or + and - zoom, drag or arrows move, a click goes there" });
    this.tip = el("div", { class: "tip", hidden: true });
    this.words = el("span", { class: "dim" });
    const button = (words, title, call) => el("button", { class: "small", title, on: { click: call } }, words);
    const tools = el("div", { class: "tools" }, this.words,
      button("−", "Zoom out  (-)", () => this.zoom(2)), button("+", "Zoom in  (+)", () => this.zoom(0.5)),
      button("whole", "The whole history  (0)", () => this.whole()), button("here", "Around where the guest stands  (H)", () => this.here()));
    area.replaceChildren(el("div", { class: "panel timeline" }, tools, this.canvas, this.tip));
    this.#listen();
    new ResizeObserver(() => this.#draw()).observe(this.canvas);
    link.on("surveyed", ({ done }) => {
      this.words.textContent = done < 1 ? `counting what happened: ${Math.floor(done * 100)}%` : "";
      this.ask();
    });
  }

  // what is known

  moved(state) {
    const before = this.#state;
    this.#state = state;
    if (before === null || (this.#follows && before.end !== state.end)) this.#show(state.start, Math.max(state.end, state.start + SHORTEST), true);
    else if (before.end !== state.end) this.ask();
    this.#draw();
  }

  async log() {
    const answer = await this.#link.ask("log").catch(() => null);
    if (answer === null) return null;
    this.#lines = answer.lines;
    this.#draw();
    return answer;
  }

  ask() {
    clearTimeout(this.#pending);
    this.#pending = setTimeout(() => this.#ask(), ASK_MILLISECONDS);
  }

  async #ask() {
    if (this.#state === null) return;
    if (this.#asking) {
      this.#again = true;
      return;
    }
    this.#asking = true;
    const width = Math.max(64, Math.min(2048, Math.round(this.canvas.clientWidth - LEFT)));
    const { start, end } = this.#view;
    const span = end - start;
    try {
      const answer = await this.#link.ask("strip", { start: Math.max(0, Math.floor(start - span * 0.25)), end: Math.ceil(end + span * 0.25), stretches: width });
      this.#strip = answer;
      const { start: first, end: last } = this.#state;
      if (this.#whole === null || this.#whole.until !== answer.until) this.#whole = await this.#link.ask("strip", { start: first, end: Math.max(last, first + 1), stretches: 512 });
      if (answer.why) this.words.textContent = answer.why;
    } catch {
      // vmdbg is gone: what was known stays
    }
    this.#asking = false;
    this.#draw();
    if (this.#again) {
      this.#again = false;
      this.ask();
    }
  }

  // what is looked at

  #show(start, end, follows = false) {
    const { start: first, end: last } = this.#state ?? { start: 0, end: 1 };
    const whole = Math.max(last - first, SHORTEST);
    const span = Math.min(Math.max(end - start, SHORTEST), whole * 1.04);
    let from = start + (end - start - span) / 2;
    from = Math.max(first - whole * 0.02, Math.min(from, last + whole * 0.02 - span));
    this.#view = { start: from, end: from + span };
    this.#follows = follows || span >= whole;
    this.ask();
    this.#draw();
  }

  whole() {
    if (this.#state) this.#show(this.#state.start, this.#state.end, true);
  }

  here() {
    if (this.#state === null) return;
    const span = this.#view.end - this.#view.start;
    this.#show(this.#state.tick - span / 2, this.#state.tick + span / 2);
  }

  zoom(factor, around = null) {
    const { start, end } = this.#view;
    const at = around ?? (this.#state && this.#state.tick > start && this.#state.tick < end ? this.#state.tick : (start + end) / 2);
    const span = Math.max(SHORTEST, (end - start) * factor);
    const from = at - ((at - start) * span) / (end - start);
    this.#show(from, from + span);
  }

  pan(share) {
    const { start, end } = this.#view;
    const by = (end - start) * share;
    this.#show(start + by, end + by);
  }

  get view() {
    return this.#view;
  }

  get known() {
    return this.#strip ?? { counts: {}, steps: [], until: 0 };
  }

  // drawing

  #draw() {
    if (!this.#frame) this.#frame = requestAnimationFrame(() => {
      this.#frame = 0;
      this.#paint();
    });
  }

  theme() {
    this.#colours = {};
    this.#draw();
  }

  #colour(name) {
    this.#colours[name] ??= getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
    return this.#colours[name];
  }

  #x(tick) {
    const { start, end } = this.#view;
    return LEFT + ((tick - start) / (end - start)) * (this.canvas.clientWidth - LEFT);
  }

  #tick(x) {
    const { start, end } = this.#view;
    return start + ((x - LEFT) / (this.canvas.clientWidth - LEFT)) * (end - start);
  }

  #layout() {
    const rows = [["map", HEIGHTS.map], ["ruler", HEIGHTS.ruler], ["console", HEIGHTS.console]];
    for (const [cpu] of this.#strip?.lanes ?? []) rows.push([`cpu ${cpu}`, HEIGHTS.lane]);
    if (this.#strip?.steps.length) rows.push(["instructions", HEIGHTS.lane]);
    for (const kind of KINDS) if (this.#strip?.counts[kind] && (!IF_ANY.includes(kind) || this.#whole?.counts[kind].some((n) => n))) rows.push([kind, HEIGHTS.density]);
    const most = innerHeight < 800 ? 4 : 8;
    const processes = (this.#strip?.processes ?? []).filter((one) => one.name).sort((a, b) => b.ticks - a.ticks).slice(0, most);
    for (const one of processes.sort((a, b) => a.pid - b.pid)) rows.push([one, HEIGHTS.process]);
    let y = 0;
    return rows.map(([what, height]) => {
      y += height;
      return { what, y: y - height, height };
    });
  }

  #paint() {
    this.frames += 1;
    this.#rows = this.#layout();
    const last = this.#rows.at(-1);
    const height = last.y + last.height + 3;
    const width = this.canvas.clientWidth;
    const ratio = devicePixelRatio || 1;
    if (this.canvas.height !== Math.round(height * ratio) || this.canvas.width !== Math.round(width * ratio)) {
      this.canvas.style.height = `${height}px`;
      this.canvas.width = Math.round(width * ratio);
      this.canvas.height = Math.round(height * ratio);
    }
    const g = this.canvas.getContext("2d");
    g.setTransform(ratio, 0, 0, ratio, 0, 0);
    g.clearRect(0, 0, width, height);
    g.font = FONT;
    g.textBaseline = "middle";
    for (const row of this.#rows) this.#row(g, row, width);
    this.#marks(g, width, height);
  }

  #row(g, row, width) {
    const { what, y, height } = row;
    const middle = y + height / 2;
    if (what === "map") return this.#map(g, y, height, width);
    if (what === "ruler") return this.#ruler(g, y, height, width);
    this.#label(g, typeof what === "string" ? what.replace("cpu", "CPU") : `${what.name} ${what.pid}`, middle);
    g.save();
    g.beginPath();
    g.rect(LEFT, y, width - LEFT, height);
    g.clip();
    if (what === "console") this.#console(g, y, height);
    else if (what === "instructions") this.#steps(g, y, height);
    else if (typeof what !== "string") this.#shares(g, what.shares, y, height, hue(what.pid));
    else if (what.startsWith("cpu")) this.#lane(g, Number(what.slice(4)), y, height);
    else this.#density(g, what, y, height);
    g.restore();
    return undefined;
  }

  #label(g, words, y) {
    g.fillStyle = this.#colour("dim");
    g.textAlign = "right";
    g.fillText(words.length > 15 ? `${words.slice(0, 14)}…` : words, LEFT - 8, y);
    g.textAlign = "left";
  }

  #map(g, y, height, width) {
    const { start, end } = this.#state ?? { start: 0, end: 1 };
    const x = (tick) => LEFT + ((tick - start) / Math.max(1, end - start)) * (width - LEFT);
    g.fillStyle = this.#colour("raised");
    g.fillRect(LEFT, y + 1, width - LEFT, height - 2);
    if (this.#whole) {
      const { counts, first, length } = this.#whole;
      const sums = (counts.exceptions ?? []).map((n, at) => n + (counts.interrupts[at] ?? 0) + (counts["system calls"][at] ?? 0));
      const most = Math.log1p(Math.max(1, ...sums));
      g.fillStyle = this.#colour("faint");
      sums.forEach((n, at) => {
        if (!n) return;
        const tall = ((height - 2) * Math.log1p(n)) / most;
        g.fillRect(x((first + at) * length), y + height - 1 - tall, Math.max(1, x(length) - x(0)), tall);
      });
    }
    g.fillStyle = "rgba(90, 169, 255, 0.22)";
    g.strokeStyle = this.#colour("accent");
    const from = Math.max(LEFT, x(this.#view.start));
    const wide = Math.max(3, Math.min(width, x(this.#view.end)) - from);
    g.fillRect(from, y + 1, wide, height - 2);
    g.strokeRect(from + 0.5, y + 1.5, wide - 1, height - 3);
  }

  #ruler(g, y, height, width) {
    const { start, end } = this.#view;
    const step = nice((end - start) / Math.max(2, (width - LEFT) / 110));
    g.fillStyle = this.#colour("dim");
    g.strokeStyle = this.#colour("line");
    for (let tick = Math.ceil(start / step) * step; tick < end; tick += step) {
      const x = Math.round(this.#x(tick)) + 0.5;
      if (x < LEFT) continue;
      g.beginPath();
      g.moveTo(x, y + 3);
      g.lineTo(x, this.#rows.at(-1).y + this.#rows.at(-1).height);
      g.stroke();
      g.fillText(step >= 1000 ? short(tick, step) : grouped(Math.round(tick)), x + 4, y + height / 2 + 1);
    }
    this.#label(g, `${short(end - start)} ticks`, y + height / 2);
  }

  #console(g, y, height) {
    const from = firstAt(this.#lines, this.#view.start);
    let free = [-1, -1];
    let drawn = -2;
    for (let n = from; n < this.#lines.length && this.#lines[n].tick <= this.#view.end; n += 1) {
      const x = this.#x(this.#lines[n].tick);
      if (x - drawn >= 1) {
        g.fillStyle = this.#colour("good");
        g.fillRect(x, y + 2, 1, height - 4);
        drawn = x;
      }
      const at = free.findIndex((end) => end < x);
      const next = this.#lines[n + 2] ? this.#x(this.#lines[n + 2].tick) : Infinity;
      const room = Math.min(next - x - 10, 420);
      if (at < 0 || room < 60) continue;
      const words = this.#lines[n].text.slice(0, Math.floor(room / 6.4));
      g.fillStyle = this.#colour("ink");
      g.fillText(words, x + 4, y + 8 + 14 * at);
      free[at] = x + 8 + words.length * 6.4;
    }
  }

  #lane(g, cpu, y, height) {
    const runs = this.#strip.lanes.find(([one]) => one === cpu)[1];
    const { length } = this.#strip;
    g.fillStyle = this.#colour("raised");
    g.fillRect(LEFT, y + 1, this.canvas.clientWidth - LEFT, height - 2);
    for (const run of runs) {
      const x = this.#x(run.start * length);
      const wide = Math.max(1, this.#x((run.start + run.count) * length) - x);
      if (x + wide < LEFT || x > this.canvas.clientWidth) continue;
      const tall = Math.max(2, (height - 2) * run.share);
      g.fillStyle = fillOf(hue(run.pid), document.documentElement.dataset.theme);
      g.fillRect(x, y + height - 1 - tall, wide, tall);
      const words = run.name || `cr3 ${run.pid.toString(16)}`;
      if (wide > words.length * 6.4 + 10) {
        g.fillStyle = tall > 10 ? "#fff" : this.#colour("ink");
        g.fillText(words, Math.max(x, LEFT) + 5, y + height / 2 + 0.5);
      }
    }
  }

  #shares(g, shares, y, height, tint) {
    const { first, length } = this.#strip;
    g.fillStyle = fillOf(tint, document.documentElement.dataset.theme);
    shares.forEach((share, at) => {
      if (!share) return;
      const x = this.#x((first + at) * length);
      const tall = Math.max(1.5, ((height - 2) * Math.min(share, 100)) / 100);
      g.fillRect(x, y + height - 1 - tall, Math.max(1, this.#x((first + at + 1) * length) - x), tall);
    });
  }

  #density(g, kind, y, height) {
    const { counts, first, length, moments } = this.#strip;
    const numbers = counts[kind];
    const most = Math.log1p(Math.max(1, ...numbers));
    g.fillStyle = this.#colour({ interrupts: "accent", exceptions: "bad", "system calls": "warn", disk: "symbol", network: "good" }[kind]);
    numbers.forEach((n, at) => {
      if (!n) return;
      const x = this.#x((first + at) * length);
      const wide = Math.max(1, this.#x((first + at + 1) * length) - x);
      const tall = Math.max(2, ((height - 3) * Math.log1p(n)) / most);
      g.globalAlpha = 0.45 + 0.55 * (Math.log1p(n) / most);
      g.fillRect(x, y + height - 1 - tall, Math.min(wide, moments.length ? 3 : wide), tall);
    });
    g.globalAlpha = 1;
    let free = -1;
    for (const moment of moments) {
      if (moment.kind !== kind) continue;
      const x = this.#x(moment.tick);
      if (x < free || !moment.what) continue;
      g.fillText(moment.what, x + 5, y + height / 2);
      free = x + 12 + moment.what.length * 6.4;
    }
  }

  #steps(g, y, height) {
    let free = -1;
    const { steps } = this.#strip;
    steps.forEach((step, at) => {
      const x = this.#x(step.tick);
      const end = this.#x(steps[at + 1]?.tick ?? step.tick + 1);
      g.fillStyle = this.#colour(at % 2 ? "raised" : "line");
      g.fillRect(x, y + 1, Math.max(1, end - x - 1), height - 2);
      if (x < free || end - x < 5) return;
      const words = step.place;
      g.fillStyle = this.#colour("symbol");
      if (end - x > 40 || x > free) g.fillText(words, x + 3, y + height / 2);
      free = x + 10 + words.length * 6.4;
    });
  }

  #marks(g, width, height) {
    if (this.#state === null) return;
    const { tick, bookmarks, end } = this.#state;
    if (this.#hover) this.#line(g, this.#hover.x, height, this.#colour("faint"), "");
    for (const [name, at] of bookmarks) this.#line(g, this.#x(at), height, this.#colour("symbol"), name);
    const last = this.#x(end);
    if (last < width) {
      g.fillStyle = "rgba(128, 140, 160, 0.10)";
      g.fillRect(Math.max(LEFT, last), HEIGHTS.map, width - last, height);
    }
    const others = this.#state.present.filter((name) => name !== "web");
    this.#line(g, this.#x(tick), height, this.#colour("accent"), ["here", ...new Set(others)].join(", "), 2);
  }

  #line(g, x, height, colour, words, wide = 1) {
    if (x < LEFT || x > this.canvas.clientWidth) return;
    g.fillStyle = colour;
    g.fillRect(Math.round(x) - wide / 2, HEIGHTS.map, wide, height - HEIGHTS.map);
    if (!words) return;
    const length = words.length * 6.4 + 8;
    const left = x + length > this.canvas.clientWidth ? x - length : x;
    g.fillRect(left, HEIGHTS.map + 1, length, 14);
    g.fillStyle = this.#colour("bg");
    g.fillText(words, left + 4, HEIGHTS.map + 8.5);
  }

  // the user

  #listen() {
    const { canvas } = this;
    canvas.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    canvas.addEventListener("pointerdown", (event) => this.#down(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    canvas.addEventListener("pointerup", (event) => this.#up(event));
    canvas.addEventListener("pointercancel", (event) => this.#pointers.delete(event.pointerId));
    canvas.addEventListener("pointerleave", () => this.#leave());
    canvas.addEventListener("dblclick", (event) => this.zoom(0.25, this.#tick(event.offsetX)));
    canvas.addEventListener("keydown", (event) => this.#key(event));
  }

  #wheel(event) {
    event.preventDefault();
    const sideways = event.shiftKey ? event.deltaY : event.deltaX;
    if (Math.abs(sideways) > Math.abs(event.deltaY) || event.shiftKey) this.pan(sideways / 1000);
    else this.zoom(1.0015 ** event.deltaY, this.#tick(event.offsetX));
  }

  #down(event) {
    this.canvas.setPointerCapture(event.pointerId);
    this.#pointers.set(event.pointerId, event.offsetX);
    const isMap = event.offsetY < HEIGHTS.map;
    this.#drag = { x: event.offsetX, view: { ...this.#view }, moved: false, isMap };
    if (isMap) this.#mapTo(event.offsetX);
  }

  #mapTo(x) {
    const { start, end } = this.#state;
    const at = start + ((x - LEFT) / (this.canvas.clientWidth - LEFT)) * (end - start);
    const span = this.#view.end - this.#view.start;
    this.#show(at - span / 2, at + span / 2);
  }

  #move(event) {
    this.#hover = { x: event.offsetX, y: event.offsetY };
    this.#showTip();
    if (!this.#drag) return this.#draw();
    const before = this.#pointers.get(event.pointerId);
    this.#pointers.set(event.pointerId, event.offsetX);
    if (this.#pointers.size === 2 && before !== undefined) return this.#pinch(event.pointerId, before);
    if (this.#drag.isMap) return this.#mapTo(event.offsetX);
    const by = event.offsetX - this.#drag.x;
    if (Math.abs(by) > 3) this.#drag.moved = true;
    if (!this.#drag.moved) return undefined;
    const { start, end } = this.#drag.view;
    const ticks = (by / (this.canvas.clientWidth - LEFT)) * (end - start);
    return this.#show(start - ticks, end - ticks);
  }

  #pinch(moved, before) {
    const other = [...this.#pointers].find(([id]) => id !== moved)[1];
    const now = this.#pointers.get(moved);
    const factor = Math.abs(before - other) / Math.max(1, Math.abs(now - other));
    this.#drag.moved = true;
    this.zoom(Math.min(2, Math.max(0.5, factor)), this.#tick(other));
  }

  #up(event) {
    const drag = this.#drag;
    this.#pointers.delete(event.pointerId);
    this.#drag = null;
    if (drag && !drag.moved && !drag.isMap && event.offsetX >= LEFT) this.#go(this.#target(event.offsetX, event.offsetY));
  }

  // What is clicked at: a line of the console, one thing that happened, an instruction, or the tick there.
  #target(x, y) {
    const row = this.#rows.find((one) => y >= one.y && y < one.y + one.height);
    const near = (list, reach) => {
      let best = null;
      for (const one of list) if (Math.abs(this.#x(one.tick) - x) < reach && (best === null || Math.abs(this.#x(one.tick) - x) < Math.abs(this.#x(best.tick) - x))) best = one;
      return best;
    };
    if (row?.what === "console") {
      const line = this.#lineAt(x);
      if (line) return line.tick;
    }
    if (row?.what === "instructions") {
      const step = this.#strip.steps.findLast((one) => this.#x(one.tick) <= x);
      if (step) return step.position;
    }
    const moment = near((this.#strip?.moments ?? []).filter((one) => one.kind === row?.what), 8);
    if (moment) return moment.position;
    const { start, end } = this.#state;
    return Math.round(Math.min(end, Math.max(start, this.#tick(x))));
  }

  #lineAt(x) {
    const at = firstAt(this.#lines, this.#tick(x - 1)) ;
    const before = this.#lines[at - 1];
    const after = this.#lines[at];
    if (after && this.#x(after.tick) - x < 6) return after;
    return before && x - this.#x(before.tick) < 400 ? before : null;
  }

  #leave() {
    this.#hover = null;
    this.tip.hidden = true;
    this.#draw();
  }

  #showTip() {
    const { x, y } = this.#hover;
    const row = this.#rows.find((one) => y >= one.y && y < one.y + one.height);
    if (!row || x < LEFT || this.#state === null) {
      this.tip.hidden = true;
      return;
    }
    const tick = Math.round(this.#tick(x));
    const words = [`${grouped(Math.max(0, tick))}   ${(tick / this.#state.ticks_per_second).toFixed(6)} s`];
    const more = this.#tipOf(row, x, tick);
    if (more) words.push(more);
    this.tip.textContent = words.join("\n");
    this.tip.hidden = false;
    this.tip.style.left = `${Math.min(x + 14, this.canvas.clientWidth - 290)}px`;
    this.tip.style.top = `${Math.min(y + 44, this.canvas.clientHeight + 16)}px`;
  }

  #tipOf(row, x, tick) {
    if (row.what === "console") return this.#lineAt(x)?.text ?? "";
    if (!this.#strip) return "";
    const { first, length, counts } = this.#strip;
    const number = Math.floor(tick / length);
    if (counts[row.what]) return `${counts[row.what][number - first] ?? 0} ${row.what} in ${short(length)} ticks`;
    if (typeof row.what !== "string") return `${row.what.name} (${row.what.pid}): ${row.what.shares[number - first] ?? 0}% of a CPU`;
    if (row.what.startsWith("cpu")) {
      const runs = this.#strip.lanes.find(([cpu]) => cpu === Number(row.what.slice(4)))?.[1] ?? [];
      const run = runs.find((one) => number >= one.start && number < one.start + one.count);
      if (!run) return "idle";
      return run.name ? `${run.name} (${run.pid}), busy ${Math.round(run.share * 100)}%` : `address space ${run.pid.toString(16)}`;
    }
    return "";
  }

  #key(event) {
    const call = {
      "+": () => this.zoom(0.5), "=": () => this.zoom(0.5), "-": () => this.zoom(2), 0: () => this.whole(),
      ArrowLeft: () => this.pan(-0.2), ArrowRight: () => this.pan(0.2), h: () => this.here(),
    }[event.key];
    if (!call || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    event.stopPropagation();
    call();
  }
}

const hue = (pid) => (pid * 137.508) % 360;
const fillOf = (tint, theme) => (theme === "light" ? `hsl(${tint} 48% 45%)` : `hsl(${tint} 42% 42%)`);

function nice(step) {
  const power = 10 ** Math.floor(Math.log10(Math.max(step, 1)));
  return Math.max(1, [1, 2, 5, 10].find((one) => one * power >= step) * power);
}

// The index of the first line at or after a tick.
function firstAt(lines, tick) {
  let low = 0;
  let high = lines.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (lines[middle].tick < tick) low = middle + 1;
    else high = middle;
  }
  return low;
}
