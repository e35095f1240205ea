// The page of a corpus: what the rounds collected, what went and why, what is in the shards.

const data = JSON.parse(document.getElementById("data").textContent);
const share = (value) => (value === null || value === undefined ? "–" : `${(100 * value).toFixed(1)} %`);
const whole = (value) => (value === null || value === undefined ? "–" : value.toLocaleString("en"));
const KINDS = { near_maths: "near mathematics" };

function tableOf(header, rows) {
  const head = el("tr", {}, header.map((cell) => el("th", { scope: "col" }, cell)));
  return el("div", { class: "scroll" }, el("table", {}, el("thead", {}, head), el("tbody", {}, rows.map((row) => el("tr", {}, row.map((cell) => el("td", {}, cell)))))));
}

function section(id, title, ...content) {
  return el("section", { id }, el("h2", {}, title), ...content);
}

function heldOut(measured) {
  if (measured === null) return "–";
  return `${measured.few ? "too few" : measured.pr_auc.toFixed(3)} (${whole(measured.positives)} of ${whole(measured.pages)})`;
}

// Rounds are few and their figures many: a column each.
function rounds() {
  const known = data.rounds.some((round) => round.found);
  const figures = [
    ["pages", (round) => whole(round.pages)],
    ["tokens", (round) => number(round.tokens)],
    ["PR-AUC", (round) => wrapped(heldOut(round.held_out))],
    ["cut at score", (round) => (round.scores ? probability(round.scores.cut) : "–")],
    ...(known ? [["recall", (round) => share(round.found?.recall)], ["precision", (round) => share(round.found?.precision)]] : []),
    ["in the round before", (round) => share(round.overlap)],
    ["domains", (round) => whole(round.domains)],
    ["of them new", (round) => whole(round.num_gained)],
    ["paths: mathematics", (round) => whole(round.paths.math ?? 0)],
    ["paths: not", (round) => whole(round.paths.not_math ?? 0)],
    ["decided by", (round) => wrapped(Object.entries(round.authors).map(([author, count]) => `${whole(count)} ${author}`).join(", ") || "–")],
    ["positives", (round) => whole(round.positives)],
  ];
  const rows = figures.map(([name, figure]) => [wrapped(name), ...data.rounds.map(figure)]);
  return section("rounds", "Rounds", tableOf(["round", ...data.rounds.map((round) => String(round.number))], rows), el("p", { class: "small dim" }, "PR-AUC: of the classifier, on domains that it was not trained on; in brackets the positives of the pages held out. Decided by: whose word the labels in force stand on."), known ? lines() : null);
}

// Words that a narrow screen may break.
function wrapped(words) {
  return el("span", { class: "wrapped" }, words);
}

// Recall and precision over the rounds, and the recall of every kind of page.
function lines() {
  const found = data.rounds.filter((round) => round.found);
  const kinds = [...new Set(found.flatMap((round) => Object.keys(round.found.by_kind)))].filter((kind) => !["hostile"].includes(kind));
  const quality = [
    ["recall", found.map((round) => round.found.recall)],
    ["precision", found.map((round) => round.found.precision)],
  ];
  const collected = kinds.map((kind) => [KINDS[kind] ?? kind, found.map((round) => round.found.by_kind[kind] ?? null)]);
  const at = found.map((round) => round.number);
  return el("div", { class: "panels" }, plot("Recall and precision", at, quality), plot("Share collected, by kind of page", at, collected));
}

function plot(title, at, series) {
  const { width, height, left, right, top, bottom } = CHART;
  const last = Math.max(at[at.length - 1], at[0] + 1);
  const x = (step) => left + ((step - at[0]) / (last - at[0])) * (width - left - right);
  const y = (value) => height - bottom - value * (height - top - bottom);
  const shapes = ticks(0, 1, 4).flatMap((tick) => [
    svg("path", { class: "grid", d: `M${left} ${y(tick)}H${width - right}` }),
    svg("text", { x: left - 6, y: y(tick) + 4, "text-anchor": "end" }, `${Math.round(100 * tick)} %`),
  ]);
  const anchor = (step) => (step === last ? "end" : step === at[0] ? "start" : "middle");
  shapes.push(at.map((step) => svg("text", { x: x(step), y: height - 6, "text-anchor": anchor(step) }, `round ${step}`)));
  series.forEach(([, values], i) => {
    const dashes = i >= NUM_COLOURS ? " dashed" : "";
    shapes.push(svg("path", { class: `curve s${i % NUM_COLOURS}${dashes}`, d: linePath(at.map(x), values.map((value) => (value === null ? null : y(value)))) }));
  });
  const keys = series.map(([name, values], i) => el("span", { class: "key" }, el("span", { class: `swatch s${i % NUM_COLOURS}${i >= NUM_COLOURS ? " dashed" : ""}` }), `${name} `, el("b", {}, share(values[values.length - 1]))));
  const label = `${title}: ${series.map(([name, values]) => `${name} ${values.map(share).join(", ")}`).join("; ")}`;
  return el("section", { class: "panel" }, el("header", {}, el("span", {}, title)), el("div", { class: "legend" }, keys), svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label }, shapes));
}

function overlap() {
  if (data.overlap.length < 2) return null;
  const header = ["of round", ...data.overlap.map((_, j) => `in round ${j + 1}`)];
  const rows = data.overlap.map((row, i) => [`${i + 1} (${whole(row[i])} pages)`, ...row.map((both) => share(row[i] ? both / row[i] : null))]);
  return section("overlap", "How much of a round the others have", tableOf(header, rows));
}

function histograms() {
  const scored = data.rounds.filter((round) => round.scores);
  if (!scored.length) return null;
  const known = scored.some(({ scores }) => scores.bins[0].math !== null);
  const note = `Pages by the classifier's probability of mathematics, from left to right in equal steps of log-odds, in height on a scale that shows few beside many (square root). The line is the cut: what lies right of it was collected.${known ? " In colour: mathematics, as the truth has it; grey: all else." : ""}`;
  return section("scores", "Scores", el("p", { class: "small dim" }, note), el("div", { class: "panels" }, scored.map(histogram)));
}

// Scores run from log-odds -20 to 20.
const TICKS = [[1e-6, "10⁻⁶"], [1e-3, "0.001"], [1, "0.5"], [1e3, "0.999"], [1e6, "1 − 10⁻⁶"]];

// Near 0 and 1 what counts is how near.
function probability(p) {
  if (p >= 0.001 && p <= 0.999) return p.toFixed(3);
  return p < 0.5 ? p.toExponential(0) : `1 − ${(1 - p).toExponential(0)}`;
}

function histogram(round) {
  const { width, height, left, right, top, bottom } = CHART;
  const { bins, place, cut } = round.scores;
  const most = Math.max(1, ...bins.map((bin) => bin.pages));
  const x = (place) => left + place * (width - left - right);
  const y = (pages) => height - bottom - Math.sqrt(pages / most) * (height - top - bottom);
  const bar = (from, pages, kind) => svg("path", { class: kind, d: `M${x(from / bins.length).toFixed(1)} ${height - bottom}V${y(pages).toFixed(1)}H${x((from + 0.9) / bins.length).toFixed(1)}V${height - bottom}Z` });
  const shapes = TICKS.map(([odds, text]) => svg("text", { x: x(0.5 + Math.log(odds) / 40), y: height - 6, "text-anchor": "middle" }, text));
  shapes.push(svg("text", { x: left - 6, y: y(most) + 8, "text-anchor": "end" }, number(most, 3)));
  bins.forEach((bin, i) => {
    if (bin.pages) shapes.push(bar(i, bin.pages, bin.math === null ? "bar s0" : "bar other"));
    if (bin.math) shapes.push(bar(i, bin.math, "bar s0"));
  });
  shapes.push(svg("path", { class: "alarm", d: `M${x(place)} ${top}V${height - bottom}` }));
  const label = `Scores of round ${round.number}: cut at ${probability(cut)}`;
  return el("section", { class: "panel" }, el("header", {}, el("span", {}, `Round ${round.number}`), el("span", { class: "at" }, `cut at ${probability(cut)}`)), svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label }, shapes));
}

function domains() {
  const found = data.rounds.filter((round) => round.gained.length);
  if (!found.length) return null;
  const lists = found.map((round) => {
    const rows = round.gained.map((domain) => [domain.name, whole(domain.pages), share(domain.collected / domain.pages)]);
    const more = round.num_gained - round.gained.length;
    return el("details", { open: round === found[0] }, el("summary", {}, `Round ${round.number}: ${plural(round.num_gained, "new domain")}`), tableOf(["domain", "pages", "collected"], rows), more > 0 ? el("p", { class: "small dim" }, `and ${plural(more, "smaller one")}`) : null);
  });
  return section("domains", "Domains gained", lists);
}

const GROUPS = [
  ["collected", "Collected", "Drawn from all that the last round collected."],
  ["just collected", "Just collected", "The lowest scores above the cut."],
  ["just left out", "Just left out", "The highest scores below the cut."],
  ["left out", "Left out", "Drawn from all that was left out."],
];

function samples() {
  if (!data.samples.length) return null;
  const parts = GROUPS.map(([group, title, meaning]) => {
    const own = data.samples.filter((sample) => sample.group === group);
    if (!own.length) return null;
    return [el("h3", {}, title), el("p", { class: "small dim" }, meaning), el("div", { class: "cards" }, own.map(card))];
  });
  return section("samples", "Pages of the last round", parts);
}

function card(sample) {
  const kind = sample.kind ? el("span", {}, `in truth: ${KINDS[sample.kind] ?? sample.kind}`) : null;
  return el("article", { class: "card" }, el("header", {}, el("b", {}, `score ${probability(sample.score)}`), kind), el("div", { class: "facts mono" }, sample.url), el("div", { class: "text" }, `${sample.title}\n\n${sample.text}`));
}

function stages() {
  if (!data.stages.length) return null;
  const rows = data.stages.map((stage) => [stage.name, whole(stage.taken), whole(stage.kept), whole(stage.taken - stage.kept)]);
  const dropped = data.stages.flatMap((stage) => Object.entries(stage.dropped).map(([code, count]) => [stage.name, code, whole(count), data.reasons[code] ?? ""]));
  const noted = data.stages.flatMap((stage) => Object.entries(stage.noted).map(([name, count]) => [stage.name, name, whole(count)]));
  const why = dropped.length ? [el("h3", {}, "Why pages were dropped"), el("div", { class: "reasons" }, tableOf(["stage", "reason", "number", "meaning"], dropped))] : null;
  const sums = noted.length ? el("details", {}, el("summary", {}, "Other sums"), tableOf(["stage", "what", "number"], noted)) : null;
  return section("stages", "In, out and dropped", tableOf(["stage", "in", "out", "dropped"], rows), why, sums);
}

function benchmarks() {
  if (!data.decontaminated) return null;
  if (!data.benchmarks.length) return section("benchmarks", "Benchmarks", el("p", {}, "No page shares text with a benchmark."));
  const rows = data.benchmarks.map((entry) => [entry.name, whole(entry.pages), whole(entry.items), Object.entries(entry.by_length).map(([length, count]) => `${whole(count)} × ${length} grams`).join(", ")]);
  const top = data.benchmarks.flatMap((entry) => entry.top.map((hit) => [entry.name, hit.item, whole(hit.pages), hit.gram]));
  return section("benchmarks", "Benchmarks found in pages", tableOf(["benchmark", "pages", "problems", "matches"], rows), el("details", {}, el("summary", {}, "Problems found most often"), el("div", { class: "reasons" }, tableOf(["benchmark", "problem", "pages", "match"], top))));
}

function sources() {
  if (!data.sources.length) return null;
  const packed = data.sources.reduce((sum, source) => sum + source.tokens, 0);
  const rows = data.sources.map((source) => [source.name, whole(source.documents), number(source.tokens), share(source.tokens / packed), share(source.weight), source.epochs === null ? "–" : source.epochs.toFixed(2)]);
  const note = data.total_tokens === null ? "How often each source is read depends on how long is trained: no number of tokens is stated." : `Epochs: how often a mixture of ${number(data.total_tokens)} tokens reads a source.`;
  return section("sources", "Sources of the mixture", tableOf(["source", "documents", "tokens", "share packed", "share of the mixture", "epochs"], rows), el("p", { class: "small dim" }, note));
}

function quarantine() {
  if (!data.quarantine.length) return null;
  return section("quarantine", "Left out because workers died of it", el("div", { class: "reasons" }, tableOf(["stage", "item"], data.quarantine)));
}

const STATES = { complete: "done", waiting: "stopped", stopped: "stopped", unfinished: "stopped" };
document.getElementById("page").replaceChildren(
  ...[
    el("h1", {}, data.name),
    el("p", {}, el("span", { class: `badge ${STATES[data.state]}` }, data.state)),
    el("ul", { class: "findings" }, data.headline.map((sentence) => el("li", {}, sentence))),
    data.message ? el("p", { class: "notice" }, data.message) : null,
    data.rounds.length ? rounds() : null,
    overlap(),
    histograms(),
    domains(),
    samples(),
    benchmarks(),
    sources(),
    stages(),
    quarantine(),
  ].filter(Boolean),
);
