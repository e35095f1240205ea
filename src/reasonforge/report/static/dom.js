// Makes elements. Text is only ever set as text, so nothing in a prompt or completion can become markup.

const SVG = "http://www.w3.org/2000/svg";

function make(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name.startsWith("--")) node.style.setProperty(name, value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.flat(3).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

const el = (tag, attributes = {}, ...children) => make(document.createElement(tag), attributes, children);
const svg = (tag, attributes = {}, ...children) => make(document.createElementNS(SVG, tag), attributes, children);

function number(value, digits = 4) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  for (const [limit, unit, suffix] of [[1e9, 1e9, "G"], [1e6, 1e6, "M"], [1e4, 1e3, "k"]]) {
    if (size >= limit) return `${Number((value / unit).toPrecision(digits))}${suffix}`;
  }
  return String(size !== 0 && size < 1e-4 ? value.toExponential(1) : Number(value.toPrecision(digits)));
}

const signed = (value, digits = 3) => (value > 0 ? "+" : value < 0 ? "−" : "") + number(Math.abs(value), digits);

function duration(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  const pad = (part) => String(part).padStart(2, "0");
  return `${Math.floor(whole / 3600)}:${pad(Math.floor(whole / 60) % 60)}:${pad(whole % 60)}`;
}

const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;
