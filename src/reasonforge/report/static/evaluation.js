// The page of an evaluation: figures, curves over k, tables, samples.

const PLOT = { width: 720, height: 300, left: 46, right: 116, top: 12, bottom: 34 };
const LABEL_HEIGHT = 14;
const WHISKER_STEP = 5;
const FAMILIES = [
  ["pass", "pass@k: at least one of k is right"],
  ["maj", "maj@k: the majority of k is right"],
  ["best", "best@k: the sample with the highest score of k is right"],
];
const PER_PAGE = 20;
const percent = (value) => (value === null || value === undefined ? "–" : `${(100 * value).toFixed(1)} %`);
const range = (interval) => (interval ? `[${(100 * interval[0]).toFixed(1)}, ${(100 * interval[1]).toFixed(1)}]` : "–");
// A cell is what stands in it, or [what stands in it, what it means].
const cells = (tag, values) =>
  values.map((value) => {
    const [shown, title] = Array.isArray(value) ? value : [value, null];
    return el(tag, { scope: tag === "th" ? "col" : null, title, class: title ? "explained" : null }, shown);
  });
const tableOf = (header, rows) => el("div", { class: "scroll" }, el("table", {}, el("thead", {}, el("tr", {}, cells("th", header))), el("tbody", {}, rows.map((row) => el("tr", {}, cells("td", row))))));

const BOOTSTRAP = "95 % interval: percentiles of the mean over 10,000 draws of as many problems, with replacement";
const PAIRED = `${BOOTSTRAP}. Of each problem's difference between the two runs`;
const CLOSED = "95 % interval by a formula: Wilson's where each problem has one sample, otherwise the mean ± 1.96 standard errors. It takes the mean for normally distributed, which it is not where problems are few";
const MEANINGS = {
  pass: (k) => `The chance that at least one of ${k} samples is right, mean over problems`,
  maj: (k) => `How often the most frequent answer of ${k} samples is right, mean over problems`,
  best: (k) => `How often the sample with the highest score of ${k} is right, mean over problems`,
  weighted: (k) => `How often the answer with the largest sum of scores over ${k} samples is right, mean over problems`,
};

// A figure's name, and what it means.
function figureName(name, numSamples) {
  if (name === "pass@1") return numSamples === 1 ? [name, "The share of problems whose one sample is right"] : [`pass@1 (avg@${numSamples})`, `The share of right samples, mean over problems; all ${numSamples} samples of a problem are used`];
  const [family, k] = name.split("@");
  return [name === "maj@64" ? "maj@64 (cons@64)" : name, MEANINGS[family]?.(k) ?? null];
}

function summary(results) {
  const { figures, against } = results;
  const header = ["figure", "value", ["95 %, bootstrap", BOOTSTRAP]];
  const everything = ["figure", ["value, bootstrap", BOOTSTRAP], ["value, closed form", CLOSED]];
  if (against) {
    header.push(["before", against.name], ["change", "On the problems that both runs have, paired by problem"], ["95 %, paired bootstrap", PAIRED]);
    everything.push(["change, bootstrap", PAIRED], ["change, closed form", `${CLOSED}. Of each problem's difference`]);
  }
  const [rows, intervals] = [[], []];
  for (const [name, figure] of Object.entries(figures)) {
    const label = figureName(name, results.num_samples);
    const found = against?.differences[name];
    rows.push([label, percent(figure.value), range(figure.bootstrap)]);
    intervals.push([label, range(figure.bootstrap), range(figure.closed)]);
    if (!against) continue;
    rows[rows.length - 1].push(percent(against.figures[name]), found ? `${signed(100 * found.difference)} points` : "–", range(found?.bootstrap));
    intervals[intervals.length - 1].push(range(found?.bootstrap), range(found?.interval));
  }
  const compared = against ? el("p", { class: "small dim" }, `Before: ${against.name}. A change counts ${plural(against.num_problems, "problem")} that both runs have.`) : null;
  const fewest = Math.min(results.num_problems, against?.num_problems ?? Infinity);
  const few = results.few_problems ? el("p", { class: "notice" }, `${plural(fewest, "problem")}: of so few, intervals are rough and come out too narrow, and the two forms of them may disagree.`) : null;
  const all = el("details", { id: "intervals" }, el("summary", {}, "show all intervals"), tableOf(everything, intervals));
  const left = against && against.num_left_out ? el("p", { class: "notice" }, `${plural(against.num_left_out, "problem")} stand in one of the two files only and are left out of the change.`) : null;
  return el("section", { id: "figures" }, el("h2", {}, "Figures"), compared, tableOf(header, rows), few, left, all);
}

function pointsOf(results, family) {
  const found = Object.entries(results.figures).flatMap(([name, figure]) => (name.startsWith(`${family}@`) ? [{ k: Number(name.slice(family.length + 1)), ...figure }] : []));
  const one = results.figures["pass@1"];
  if (found.length && family !== "pass" && one) found.unshift({ k: 1, ...one });
  return found.sort((a, b) => a.k - b.k);
}

// The same figures of the run that this one is compared with, at the same k.
function earlierPoints(results, family, points) {
  if (!results.against) return [];
  const { figures } = results.against;
  return points.flatMap(({ k }) => {
    const value = figures[k === 1 ? "pass@1" : `${family}@${k}`];
    return value === undefined ? [] : [{ k, value }];
  });
}

function curveOverK(results) {
  const families = FAMILIES.map(([family, title], i) => {
    const points = pointsOf(results, family);
    return { family, title, colour: `s${i}`, points, earlier: earlierPoints(results, family, points) };
  }).filter((each) => each.points.length > 1);
  if (!families.length) return null;
  const { width, height, left, right, top, bottom } = PLOT;
  const last = Math.max(...families.flatMap((each) => each.points.map((point) => point.k)));
  const x = (k) => left + (Math.log2(k) / Math.log2(last)) * (width - left - right);
  const y = (value) => height - bottom - value * (height - top - bottom);
  const shapes = ticks(0, 1, 5).flatMap((tick) => [
    svg("path", { class: "grid", d: `M${left} ${y(tick)}H${width - right}` }),
    svg("text", { x: left - 6, y: y(tick) + 4, "text-anchor": "end" }, `${Math.round(100 * tick)} %`),
  ]);
  for (const k of [...new Set(families.flatMap((each) => each.points.map((point) => point.k)))]) {
    shapes.push(svg("text", { x: x(k), y: height - 16, "text-anchor": "middle" }, String(k)));
  }
  shapes.push(svg("text", { x: (left + width - right) / 2, y: height - 4, "text-anchor": "middle" }, "k, samples"));
  for (const [order, { family, colour, points, earlier }] of families.entries()) {
    // Whiskers stand side by side: intervals of several curves would cover each other.
    const aside = WHISKER_STEP * (order - (families.length - 1) / 2);
    if (earlier.length > 1) {
      const path = linePath(earlier.map((point) => x(point.k)), earlier.map((point) => y(point.value)));
      const title = `${family}@k of ${results.against.name}: ${earlier.map((point) => `${point.k} ${percent(point.value)}`).join(", ")}`;
      shapes.push(svg("path", { class: `curve earlier ${colour}`, d: path, "stroke-dasharray": "5 4" }, svg("title", {}, title)));
    }
    const whiskers = points.filter((point) => point.bootstrap).map(({ k, bootstrap: [low, high] }) => `M${(x(k) + aside).toFixed(1)} ${y(low).toFixed(1)}V${y(high).toFixed(1)}`);
    shapes.push(svg("path", { class: `error-bar ${colour}`, d: whiskers.join("") }));
    shapes.push(svg("path", { class: `curve ${colour}`, d: linePath(points.map((point) => x(point.k)), points.map((point) => y(point.value))) }));
    for (const point of points) {
      shapes.push(svg("circle", { class: `dot ${colour}`, cx: x(point.k), cy: y(point.value), r: 4 }, svg("title", {}, `${family}@${point.k}: ${percent(point.value)} ${range(point.bootstrap)}`)));
    }
  }
  // Names at the ends of curves, pushed apart where curves end close to each other.
  const ends = families.map(({ family, points }) => ({ family, ...points[points.length - 1] })).sort((a, b) => b.value - a.value);
  let lowest = -Infinity;
  for (const end of ends) {
    lowest = Math.max(lowest + LABEL_HEIGHT, y(end.value) + 4);
    shapes.push(svg("text", { class: "end", x: x(end.k) + 8, y: lowest }, `${end.family}@${end.k} ${percent(end.value)}`));
  }
  const keys = families.map(({ colour, title }) => el("span", { class: "key" }, el("span", { class: `swatch ${colour}` }), title));
  if (families.some(({ earlier }) => earlier.length > 1)) keys.push(el("span", { class: "key" }, `dashed: ${results.against.name}`));
  const label = families.map(({ family, points }) => `${family}: ${points.map((point) => `${point.k} ${percent(point.value)}`).join(", ")}`).join("; ");
  const plot = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label }, shapes);
  return el("section", { id: "curve" }, el("h2", {}, "Over k"), el("div", { class: "panel wide" }, el("div", { class: "legend" }, keys), plot));
}

const ABOUT = {
  tool_calls: ["programs run, per sample", number],
  failed_calls: ["of them failed", percent],
  failed_programs: ["programs that failed", percent],
  thinking_tokens: ["tokens of thinking, mean", number],
  within_budget: ["within the budget", percent],
  think_answer: ["think and answer tags kept", percent],
  boxed: ["with a boxed answer", percent],
  language: ["words in the problem's language", percent],
  repeated: ["words repeated", percent],
  reflective_words: ["reflective words, per sample", number],
};

function shares(results) {
  const rows = Object.entries(results.shares).map(([name, value]) => [name.replace("_", " "), percent(value)]);
  const { unit, ...lengths } = results.lengths;
  const sizes = Object.entries(lengths).map(([name, value]) => [name, number(value)]);
  const about = (found) => Object.entries(found ?? {}).map(([name, value]) => [ABOUT[name]?.[0] ?? name, (ABOUT[name]?.[1] ?? number)(value)]);
  const [uses, texts] = [about(results.uses), about(results.texts)];
  return el(
    "section",
    {},
    el("h2", {}, "Samples"),
    el(
      "div",
      { class: "row tops" },
      tableOf(["verdict", "share"], rows),
      tableOf([`length in ${unit}`, ""], sizes),
      uses.length ? tableOf(["tools and budget", ""], uses) : null,
      texts.length ? tableOf(["text", ""], texts) : null,
    ),
  );
}

function breakdowns(results) {
  const tables = Object.entries(results.tables).map(([name, rows]) => {
    const votes = rows.some((row) => row.majority !== null);
    const header = [name, "problems", "pass@1", ["95 %, closed form", `${CLOSED}. Groups are small, and a bootstrap of few problems sees too little`], ...(votes ? [["majority", "How often the most frequent answer of all samples is right"]] : [])];
    return tableOf(header, rows.map((row) => [row.name, row.num_problems, percent(row.pass1), range(row.interval), ...(votes ? [percent(row.majority)] : [])]));
  });
  return tables.length ? el("section", {}, el("h2", {}, "By kind of problem"), el("div", { class: "row tops" }, tables)) : null;
}

class SampleBrowser {
  constructor(problems, hasChange) {
    this.problems = problems;
    this.page = 0;
    const orders = { "as asked": null, "hardest first": (p) => p.score, "most mixed first": (p) => Math.abs(p.score - 0.5) };
    if (hasChange) Object.assign(orders, { "fell most first": (p) => p.change ?? 0, "rose most first": (p) => -(p.change ?? 0) });
    this.orders = orders;
    const statuses = [...new Set(problems.flatMap((p) => p.samples.map((sample) => sample.status)))].sort();
    this.order = el("select", { "aria-label": "order", onchange: () => this.draw(0) }, Object.keys(orders).map((name) => el("option", {}, name)));
    this.status = el("select", { "aria-label": "verdict", onchange: () => this.draw(0) }, ["any verdict", ...statuses].map((name) => el("option", { value: name }, name.replace("_", " "))));
    this.search = el("input", { type: "search", placeholder: "search questions, answers, samples", "aria-label": "search", oninput: () => this.draw(0) });
    this.label = el("span", { class: "dim small", "aria-live": "polite" });
    this.list = el("div", {});
    const move = (name, by) => el("button", { type: "button", onclick: () => this.draw(this.page + by) }, name);
    this.node = el(
      "section",
      { id: "samples" },
      el("h2", {}, "Problems and samples"),
      el("div", { class: "row controls" }, this.order, this.status, this.search, move("previous", -1), move("next", 1), this.label),
      this.list,
    );
    this.draw(0);
  }

  draw(page) {
    const words = this.search.value.toLowerCase();
    const holds = (text) => String(text ?? "").toLowerCase().includes(words);
    const status = this.status.value;
    const wanted = (p) =>
      (status === "any verdict" || p.samples.some((sample) => sample.status === status)) &&
      (!words || [p.id, p.question, p.gold].some(holds) || p.samples.some((sample) => holds(sample.text)));
    const key = this.orders[this.order.value];
    const chosen = this.problems.filter(wanted);
    if (key) chosen.sort((a, b) => key(a) - key(b));
    const pages = Math.max(1, Math.ceil(chosen.length / PER_PAGE));
    this.page = Math.min(pages - 1, Math.max(0, page));
    this.label.replaceChildren(`${plural(chosen.length, "problem")}, page ${this.page + 1} of ${pages}`);
    this.list.replaceChildren(...chosen.slice(this.page * PER_PAGE, (this.page + 1) * PER_PAGE).map((p) => this.problem(p)));
  }

  problem(p) {
    const marks = p.samples.map((sample) => el("span", { class: sample.status, title: sample.status }, GLYPHS[sample.status] ?? "?"));
    const change = p.change ? el("span", { class: p.change > 0 ? "positive" : "negative" }, ` ${signed(100 * p.change, 3)} points`) : null;
    const facts = [p.subject, p.level === undefined ? null : `level ${p.level}`].filter(Boolean).join(" · ");
    const head = el("summary", {}, el("span", { class: "marks" }, marks), ` ${percent(p.score)}`, change, " ", el("span", { class: "dim" }, `${p.id} · ${p.question.replace(/\s+/g, " ").slice(0, 140)}`));
    const node = el("details", { class: "problem" }, head);
    // Drawn when it is opened: thousands of completions at once would stall the page.
    node.addEventListener("toggle", () => {
      if (!node.open || node.children.length > 1) return;
      const question = el("div", { class: "question" }, facts ? el("p", { class: "small dim" }, facts) : null, el("div", { class: "text", tabindex: 0 }, p.question), el("p", { class: "small" }, "Reference answer: ", el("code", {}, p.gold)));
      node.append(question, el("div", { class: "cards" }, p.samples.map((sample, i) => this.sample(sample, i))));
    });
    return node;
  }

  sample(sample, index) {
    const facts = [
      sample.length === null ? null : plural(sample.length, "token"),
      sample.truncated ? "cut by the length limit" : null,
      sample.score === null ? null : `score ${number(sample.score)}`,
    ].filter(Boolean);
    const text = segments(sample.text).map(([kind, piece]) => el("span", { class: `part-${kind}` }, piece));
    const verdict = [el("span", { class: sample.status }, `${GLYPHS[sample.status] ?? "?"} ${sample.status.replace("_", " ")}`), sample.prediction === null ? null : [" · answer ", el("code", {}, sample.prediction)], sample.reason ? ` · ${sample.reason}` : null];
    return el(
      "article",
      { class: "card" },
      el("header", {}, el("b", {}, `#${index}`)),
      el("div", { class: "facts" }, facts.join(" · ")),
      el("div", { class: "text", tabindex: 0 }, text.length ? text : el("span", { class: "dim" }, "(empty)")),
      el("footer", {}, verdict),
    );
  }
}

const { results, problems, left_out: leftOut } = JSON.parse(document.getElementById("data").textContent);
const facts = tableOf(["", ""], Object.entries(results.facts).map(([name, value]) => [name, String(value)]));
const blocks = [
  el("section", {}, el("h1", {}, results.name), el("p", { class: "dim" }, `${plural(results.num_problems, "problem")}, ${plural(results.num_samples, "sample")} each`)),
  summary(results),
  curveOverK(results),
  shares(results),
  breakdowns(results),
  problems.length ? new SampleBrowser(problems, Boolean(results.against)).node : null,
  leftOut.length ? el("section", {}, el("h2", {}, "Left out"), el("ul", { class: "small dim" }, leftOut.map((remark) => el("li", {}, remark)))) : null,
  el("section", {}, el("h2", {}, "How it was made"), facts, el("p", { class: "small dim" }, `reasonforge ${results.version}`)),
];
document.getElementById("page").replaceChildren(...blocks.filter(Boolean));
