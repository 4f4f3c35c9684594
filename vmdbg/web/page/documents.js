// Answers of commands. Cells that name an instant can be gone to.

import { el, spans } from "./dom.js";

const INSTANTS = new Set(["position", "since", "first", "last", "begin", "end", "before", "after"]);
const POSITION = /^\d+(\+\d+)?$/;

// `go` is called with the position of an instant that is clicked.
export function renderedDocument(answer, go) {
  const made = el("div", { class: "document" }, ...answer.blocks.map((block) => rendered(block, go)));
  if (answer.cut) made.append(el("p", { class: "dim" }, `${answer.cut} more rows are not shown here`));
  for (const notice of answer.notices ?? []) made.append(el("p", { class: "notice" }, notice));
  return made;
}

function rendered(block, go) {
  switch (block.is) {
    case "text":
      return el("div", { class: "line" }, ...spans(block.spans));
    case "pairs":
      return pairs(block);
    case "table":
      return table(block, go);
    case "section":
      return section(block, go);
    case "picture":
      return el("img", { class: "picture", src: `data:image/png;base64,${block.png}`, alt: block.words });
    default:
      throw new Error(`a block of an unknown kind: ${block.is}`);
  }
}

function pairs(block) {
  const rows = block.rows.map(([name, value]) => el("tr", {}, el("th", {}, name), el("td", {}, ...spans(value))));
  return el("table", { class: "pairs" }, el("tbody", {}, ...rows));
}

function section(block, go) {
  const inner = block.blocks.map((one) => rendered(one, go));
  return el("section", { class: "section" }, el("h3", {}, ...spans(block.title)), ...inner);
}

const textOf = (cell) => cell.map(([text]) => text).join("");

function table(block, go) {
  const right = new Set(block.right);
  const head = block.titles.some((title) => title)
    ? el("thead", {}, el("tr", {}, ...block.titles.map((t, n) => el("th", { class: right.has(n) ? "right" : "" }, t))))
    : null;
  const body = el("tbody", {}, ...block.rows.map((row) => tableRow(block, row, right, go)));
  return el("table", { class: "rows" }, head, body);
}

function tableRow(block, row, right, go) {
  let target = null;
  const cells = row.map((cell, number) => {
    const text = textOf(cell);
    const isInstant = INSTANTS.has(block.keys[number]) && POSITION.test(text);
    if (isInstant && target === null) target = text;
    const inner = isInstant ? [el("a", { href: `#t=${text}`, data: { go: text } }, ...spans(cell))] : spans(cell);
    return el("td", { class: right.has(number) ? "right" : "" }, ...inner);
  });
  const made = el("tr", target ? { class: "instant", data: { go: target }, tabindex: "0" } : {}, ...cells);
  if (target) {
    const leave = (event) => {
      if (event.type === "keydown" && event.key !== "Enter") return;
      event.preventDefault();
      go(event.target.closest("[data-go]")?.dataset.go ?? target);
    };
    made.addEventListener("click", leave);
    made.addEventListener("keydown", leave);
  }
  return made;
}

// The columns of a document's tables that are numbers, for plots: [{title, points: [[tick, value]]}].
export function numericColumns(answer) {
  const found = [];
  const visit = (blocks) => {
    for (const block of blocks) {
      if (block.is === "section") visit(block.blocks);
      if (block.is === "table") found.push(...ofTable(block));
    }
  };
  visit(answer.blocks);
  return found;
}

function ofTable(block) {
  const instant = block.keys.findIndex((key, n) => INSTANTS.has(key) && block.rows.some((r) => POSITION.test(textOf(r[n]))));
  if (instant < 0) return [];
  return block.keys.flatMap((key, number) => {
    if (number === instant) return [];
    const points = block.rows.flatMap((row) => {
      const tick = parseInt(textOf(row[instant]), 10);
      const value = numberIn(textOf(row[number]));
      return Number.isFinite(tick) && value !== null ? [[tick, value]] : [];
    });
    return points.length > 1 ? [{ title: key, points }] : [];
  });
}

function numberIn(text) {
  const found = /^-?(0x[0-9a-f]+|[\d,]+(\.\d+)?)(\s|%|$)/i.exec(text.trim());
  if (!found) return null;
  const value = Number(found[0].trim().replaceAll(",", "").replace("%", ""));
  return Number.isFinite(value) ? value : null;
}
