// The page: what is where, which keys do what, and what happens when the guest moves.

import { at, el, fill, grouped, store } from "./dom.js";
import { Link } from "./link.js";
import { Log } from "./log.js";
import { Notes } from "./notes.js";
import { Panes } from "./panes.js";
import { Query } from "./query.js";
import { Screen } from "./screen.js";
import { Tabs } from "./tabs.js";
import { Console } from "./terminal.js";
import { Timeline } from "./timeline.js";
import { Views } from "./views.js";

const link = new Link();
const side = new Tabs(at("side"));
const dock = new Tabs(at("dock"));
let state = null;
let seen = null;

function report(words) {
  at("toast").textContent = words;
  at("toast").hidden = false;
  clearTimeout(report.timer);
  report.timer = setTimeout(() => (at("toast").hidden = true), 6000);
}

const tell = (asked) => asked.catch((error) => report(error.message));
const move = (name) => tell(link.ask("run", { move: name }));
const pause = () => tell(link.ask("pause"));
const go = (to) => tell(link.ask("go", { to: String(to) }));

const panes = new Panes(link, go, report);
const guestConsole = new Console(link, report);
const timeline = new Timeline(at("timeline-area"), link, go);
const log = new Log(timeline, go);
const query = new Query(link, go);
const views = new Views(link, go);
const notes = new Notes(link, go, report);
const screen = new Screen(link, report);
panes.addTo(side);
dock.add("console", "Console", guestConsole.view, () => guestConsole.fit());
dock.add("log", "Lines", log.view, () => log.draw());
dock.add("query", "Query", query.view);
dock.add("notes", "Notebook", notes.view, () => notes.draw());
dock.add("views", "Views", views.view, () => views.draw());
dock.add("screen", "Screen", screen.view, () => screen.draw());

// what the guest does

function stateWords(now) {
  if (now.running) return ["running", "running"];
  if (now.live) return ["live", "live"];
  return now.closed && now.tick >= now.end ? ["past", "end of recording"] : ["past", "past"];
}

function showState(now) {
  state = now;
  const [kind, words] = stateWords(now);
  at("pill").className = `pill ${kind}`;
  at("pill").textContent = words;
  at("title").textContent = now.title;
  at("tick").textContent = grouped(now.position.replace(/\+.*/, "")) + (now.position.includes("+") ? now.position.replace(/^\d+/, "") : "");
  at("seconds").textContent = `${now.seconds.toFixed(6)} s`;
  const moved = now.moved_by === "nobody" || now.moved_by === "" ? "" : `moved by ${now.moved_by}`;
  const others = [...new Set(now.present)].map((name) => {
    const count = now.present.filter((one) => one === name).length;
    return count > 1 ? `${name} ×${count}` : name;
  });
  const cpu = now.cpus.length > 1 ? `CPU ${now.cpus[now.cpu]}` : "";
  at("where").textContent = [cpu, now.mode, now.task].filter((word) => word).join(" · ");
  fill(at("reason"), el("span", { class: "words" }, now.running ? "the guest runs" : now.reason || now.place),
    el("span", { class: "dim" }, now.running || !now.reason ? "" : now.place),
    el("span", { class: "dim right" }, [moved, `here: ${others.join(", ")}`].filter((word) => word).join(" · ")));
  for (const button of document.querySelectorAll("[data-move]")) button.disabled = now.running;
  at("pause").disabled = !now.running;
  document.title = `${now.running ? "▶" : now.live ? "■" : "◀"} ${now.position} vmdbg`;
}

function heard(now) {
  const before = state;
  showState(now);
  timeline.moved(now);
  if (now.running) {
    if (dock.chosen === "screen") screen.draw();
    if (before === null) {
      panes.code();
      side.refresh();
      timeline.log();
    }
    return;
  }
  const key = `${now.stop} ${now.position} ${now.cpu}`;
  if (key === seen) return;
  const wasLive = before !== null && before.live && now.live && before.running;
  seen = key;
  history.replaceState(null, "", `#t=${now.position}`);
  panes.moved();
  log.moved(now.tick);
  timeline.log();
  side.refresh();
  dock.refresh();
  if (!wasLive) guestConsole.reload();
}

link.on("state", heard);
link.on("open", () => {
  seen = null;
  guestConsole.reload();
  const wanted = /^#t=([\w+.%-]+)$/.exec(location.hash)?.[1];
  if (wanted && state === null) link.on("state", once((now) => {
    if (!now.running && now.position !== wanted) go(decodeURIComponent(wanted));
  }));
});
link.on("closed", () => {
  at("pill").className = "pill gone";
  at("pill").textContent = "not connected";
});
link.on("progress", ({ what, done }) => {
  at("busy").hidden = done === null;
  if (done === null) return;
  at("busy-words").textContent = `${what} ${Math.round(done * 100)}%`;
  at("busy-done").style.width = `${Math.min(100, done * 100)}%`;
});

function once(call) {
  let called = false;
  return (value) => {
    if (!called) call(value);
    called = true;
  };
}

// what the user does

function theme(name) {
  document.documentElement.dataset.theme = name;
  store("theme", name);
  guestConsole.theme(name);
  timeline.theme();
}
const preferred = () => store("theme") ?? (matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark");
const toggleTheme = () => theme(document.documentElement.dataset.theme === "light" ? "dark" : "light");

function ask() {
  dock.choose("query");
  query.focus();
}

function note() {
  dock.choose("notes");
  notes.focus();
}

const lines = () => tell(link.ask("lines"));
link.on("ran", (found) => {
  if (found.position === state?.position) panes.ran(found);
});

async function copyLink() {
  try {
    await navigator.clipboard.writeText(location.href);
    report("Copied: the link names this instant. Who has the recording open adds what follows # to the own URL.");
  } catch {
    report(`#t=${state?.position ?? ""}`);
  }
}

const KEYS = [
  ["c", "Continue", () => move("continue")], ["C", "Reverse continue", () => move("reverse-continue")],
  ["n", "Next line, over calls", () => move("next")], ["N", "Back a line, over calls", () => move("reverse-next")],
  ["s", "Step into", () => move("step")], ["S", "Back a line, into calls", () => move("reverse-step")],
  ["i", "One instruction", () => move("stepi")], ["I", "Back one instruction", () => move("reverse-stepi")],
  ["f", "Finish this function", () => move("finish")], ["F", "Back to its call", () => move("reverse-finish")],
  [" ", "Interrupt", pause], ["g", "Go to an instant", () => at("goto").focus()],
  ["/", "Ask a question", ask], ["m", "Note this instant", note], ["r", "Mark the lines that ran in this call", lines], ["l", "Copy a link to this instant", copyLink], ["t", "Dark or light", toggleTheme], ["?", "These keys", showKeys],
  ["+", "Zoom the timeline in", () => timeline.zoom(0.5)], ["-", "Zoom it out", () => timeline.zoom(2)],
  ["0", "The whole history", () => timeline.whole()], ["h", "The timeline around here", () => timeline.here()],
  ["ArrowLeft", "Timeline to the left", () => timeline.pan(-0.2)], ["ArrowRight", "and to the right", () => timeline.pan(0.2)],
];
for (let n = 1; n <= 6; n += 1) KEYS.push([String(n), n === 1 ? "1 to 6: the tabs below" : "", () => dock.number(n - 1)]);

function showKeys() {
  const rows = KEYS.filter(([, words]) => words).map(([key, words]) =>
    el("tr", {}, el("td", {}, el("kbd", {}, key === " " ? "Space" : key)), el("td", {}, words)));
  fill(at("keys"), el("h2", {}, "Keys"), el("table", {}, el("tbody", {}, ...rows)), el("form", { method: "dialog" }, el("button", { autofocus: true }, "close")));
  at("keys").showModal();
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.defaultPrevented) return;
  if (event.target.closest("input, textarea, select, dialog, .terminal, .screen")) return;
  const found = KEYS.find(([key]) => key === event.key);
  if (!found) return;
  event.preventDefault();
  found[2]();
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && event.target.closest("input, textarea")) event.target.blur();
});

for (const button of document.querySelectorAll("[data-move]")) button.addEventListener("click", () => move(button.dataset.move));
at("pause").addEventListener("click", pause);
at("busy-stop").addEventListener("click", pause);
at("theme").addEventListener("click", toggleTheme);
at("ran").addEventListener("click", lines);
at("help").addEventListener("click", showKeys);
at("copy-link").addEventListener("click", copyLink);
at("go").addEventListener("submit", (event) => {
  event.preventDefault();
  const to = at("goto").value.trim();
  if (to) go(to);
  at("goto").blur();
});
window.addEventListener("hashchange", () => {
  const wanted = /^#t=(.+)$/.exec(location.hash)?.[1];
  if (wanted && wanted !== state?.position) go(decodeURIComponent(wanted));
});

document.documentElement.dataset.theme = preferred();
guestConsole.open(preferred());
side.begin();
dock.begin();
link.connect();
window.vmdbg = { console: () => guestConsole.text(), timeline, link };
