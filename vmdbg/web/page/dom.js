// Elements made of text nodes: nothing that the guest or a user wrote is ever read as HTML.

export function el(tag, options = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(options)) {
    if (name === "class") made.className = value;
    else if (name === "on") for (const [event, call] of Object.entries(value)) made.addEventListener(event, call);
    else if (name === "data") Object.assign(made.dataset, value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

export const at = (id) => document.getElementById(id);

// Pieces of a line, each with the name of its style.
export function spans(pieces) {
  return pieces.map(([text, style]) => (style === "plain" ? text : el("span", { class: `s-${style}` }, text)));
}

export function fill(parent, ...children) {
  parent.replaceChildren(...children.filter((child) => child !== null && child !== undefined));
}

export const grouped = (number) => number.toString().replace(/\B(?=(\d{3})+(?!\d))/g, "\u202f");

// With as many digits as tell apart what lies `step` ticks apart.
export function short(ticks, step = 0) {
  for (const [scale, unit] of [[1e9, "G"], [1e6, "M"], [1e3, "k"]]) {
    if (Math.abs(ticks) < scale) continue;
    const digits = step ? Math.max(0, Math.ceil(Math.log10(scale / step) - 1e-9)) : 0;
    return `${step ? (ticks / scale).toFixed(digits) : +(ticks / scale).toPrecision(4)} ${unit}`;
  }
  return `${Math.round(ticks)}`;
}

export function store(name, value) {
  try {
    if (value === undefined) return localStorage.getItem(`vmdbg.${name}`);
    localStorage.setItem(`vmdbg.${name}`, value);
  } catch {
    // a browser that keeps nothing
  }
  return null;
}
