// The page of a comparison: what was found, final figures, curves over rollouts, every pair.

const SIZES = { width: 720, row: 34, left: 150, right: 20, top: 10, bottom: 26 };
const colourOf = (i) => `s${i % NUM_COLOURS}`;
const percentOf = (level) => `${Math.round(100 * level)} %`;
const bounds = (low, high, show = fixed) => (low === null || high === null ? null : el("span", { class: "interval" }, ` [${show(low)}, ${show(high)}]`));
const fixed = (value) => (value === null ? "–" : value.toFixed(3));
const fixedSigned = (value) => (value === null ? "–" : `${value > 0 ? "+" : value < 0 ? "−" : ""}${fixed(Math.abs(value))}`);
const VERDICTS = {
  beyond_noise: "beyond the noise",
  none: "no",
  corrected_away: "no: all pairs counted",
  few_problems: "no: too few problems",
  untested: "one seed",
};

const EFFORTS = {
  rollouts: "Completions a run drew to learn from, mean over seeds",
  tokens: "Tokens a run learned from, mean over seeds",
};

const row = (cells) => el("tr", {}, cells.map((cell) => el("td", {}, cell)));
const head = (names) => el("thead", {}, el("tr", {}, names.map(([name, title]) => el("th", { scope: "col", title, class: title ? "explained" : null }, name))));
const swatch = (i) => el("span", { class: `swatch ${colourOf(i)}` });

function figures(data) {
  const names = [
    ["recipe"],
    [data.metric, `${data.help} Mean over seeds with Student's ${percentOf(data.level)} interval`],
    ["spread", "Sample standard deviation over seeds"],
    ["before", "Of the model that all runs begin with, by the same evaluation"],
    ["seeds"],
    [data.effort, EFFORTS[data.effort]],
    ["length", "Mean tokens of the final evaluation's completions"],
    ["time", "Of a run, mean over seeds"],
    ["peak MiB", "Most memory of any seed: of the accelerator where there is one, otherwise of the whole process"],
    ["state MiB", "Of the last checkpoint: weights and optimizer state of all models that are trained"],
  ];
  const rows = data.recipes.map((recipe, i) => {
    const { final } = recipe;
    const shown = final ? [fixed(final.mean), bounds(final.low, final.high)] : "–";
    const name = el("span", { class: "legend", title: recipe.description || null }, el("span", {}, swatch(i), recipe.label));
    return row([name, shown, final ? fixed(final.deviation) : "–", fixed(recipe.before), String(recipe.runs.length), number(recipe[data.effort]), number(recipe.length, 3), recipe.seconds === null ? "–" : duration(recipe.seconds), number(recipe.peak_memory_mb, 4), number(recipe.state_mb, 3)]);
  });
  const table = el("table", {}, head(names), el("tbody", {}, rows));
  return el("section", { id: "figures" }, el("h2", {}, "At the end"), el("div", { class: "scroll" }, table));
}

// Every seed as a dot, the mean as a line, its interval as a bar.
function dots(data) {
  const shown = data.recipes.filter((recipe) => recipe.final);
  if (!shown.length) return null;
  const values = shown.flatMap((recipe) => [...recipe.runs.map((run) => run.final), recipe.final.low, recipe.final.high].filter((value) => value !== null));
  const isShare = data.unit === "share";
  // An interval of two seeds can be wider than all that is possible: it is cut at the edge.
  const seen = shown.flatMap((recipe) => recipe.runs.map((run) => run.final));
  const span = Math.max(...seen) - Math.min(...seen) || Math.abs(seen[0]) * 0.1 || 1e-9;
  let low = Math.max(Math.min(...values), Math.min(...seen) - 2 * span);
  let high = Math.min(Math.max(...values), Math.max(...seen) + 2 * span);
  if (isShare) [low, high] = [Math.max(0, low), Math.min(1, high)];
  if (!(low < high)) [low, high] = [low - span, high + span];
  const { width, left, right, top, bottom } = SIZES;
  const height = top + bottom + SIZES.row * data.recipes.length;
  const x = (value) => left + ((Math.min(high, Math.max(low, value)) - low) / (high - low)) * (width - left - right);
  const shapes = ticks(low, high, 5).flatMap((tick) => [
    svg("path", { class: "grid", d: `M${x(tick).toFixed(1)} ${top}V${height - bottom}` }),
    svg("text", { x: x(tick), y: height - 8, "text-anchor": "middle" }, number(tick, 3)),
  ]);
  data.recipes.forEach((recipe, i) => {
    const y = top + SIZES.row * (i + 0.5);
    const name = recipe.label.length > 22 ? `${recipe.label.slice(0, 21)}…` : recipe.label;
    shapes.push(svg("text", { x: left - 10, y: y + 4, "text-anchor": "end" }, name, svg("title", {}, recipe.label)));
    if (!recipe.final) return;
    const { mean } = recipe.final;
    const colour = colourOf(i);
    if (recipe.final.low !== null) shapes.push(svg("path", { class: `error-bar ${colour}`, d: `M${x(recipe.final.low).toFixed(1)} ${y}H${x(recipe.final.high).toFixed(1)}` }));
    shapes.push(svg("path", { class: `mean ${colour}`, d: `M${x(mean).toFixed(1)} ${y - 9}V${y + 9}` }));
    for (const run of recipe.runs) shapes.push(svg("circle", { class: `seed ${colour}`, cx: x(run.final), cy: y, r: 4 }, svg("title", {}, `seed ${run.seed}: ${number(run.final)}`)));
  });
  const label = shown.map((recipe) => `${recipe.label} ${number(recipe.final.mean, 3)}`).join(", ");
  const plot = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${data.metric}: ${label}` }, shapes);
  return el("section", { id: "dots" }, el("div", { class: "panel wide" }, el("header", {}, el("span", {}, `${data.metric}: each seed, mean, ${percentOf(data.level)} interval`)), plot));
}

function curves(data) {
  const drawn = data.recipes.map((recipe, i) => ({ recipe, i })).filter(({ recipe }) => recipe.curve.mean.length);
  if (!drawn.length || data.effort !== "rollouts") return null;
  const series = drawn.map(({ recipe, i }) => ({
    run: i,
    group: i,
    name: data.metric,
    steps: recipe.curve.rollouts.map(Math.round),
    values: recipe.curve.mean,
    dashed: !recipe.has_curve,
    band: recipe.runs.length > 1 ? { low: recipe.curve.low, high: recipe.curve.high } : null,
  }));
  const metrics = { [data.metric]: { unit: data.unit, help: data.help, healthy: null } };
  const chart = new Chart(
    { title: data.metric, curves: series.map((_, i) => i) },
    { axis: "rollout", metrics, groups: data.recipes.map((recipe, i) => ({ name: recipe.label, runs: [i] })), runs: data.recipes.map(() => ({ alarms: [] })), curves: series },
    { onCursor: (step) => chart.point(step), onPick: null },
  );
  chart.node.classList.add("medium");
  const ends = data.recipes.filter((recipe) => recipe.runs.length && !recipe.has_curve).map((recipe) => recipe.label);
  const note = ends.length ? el("p", { class: "small dim" }, `Dashed, from the evaluations before and after alone: ${ends.join(", ")}.`) : null;
  return el(
    "section",
    { id: "curves" },
    el("h2", {}, "Over rollouts"),
    el("p", { class: "small dim" }, "Mean over seeds; the band is one standard deviation to either side. Move over it to read values."),
    chart.node,
    note,
  );
}

function pairs(data) {
  if (!data.pairs.length) return null;
  const names = [
    ["pair", "First minus second"],
    ["difference", `With its ${percentOf(data.level)} interval over seeds (Student's t; paired where both have the same seeds)`],
    ["verdict", "Beyond the noise: the corrected p is below the level, and the interval over problems is on one side of zero"],
    ["p"],
    ["p, all pairs", "Holm's correction: the chance of any false alarm among all pairs stays below the level"],
    ["p, exact", "Permutation test: assumes nothing of the distribution, and cannot be small with few seeds"],
    ["problems alone", `${percentOf(data.level)} bootstrap interval when only the held-out problems are drawn again`],
    ["smallest visible", "A true difference of this size would be found four times in five, with as many seeds and this spread"],
  ];
  const rows = data.pairs.map((pair) =>
    row([
      `${pair.first} − ${pair.second}`,
      [fixedSigned(pair.difference), bounds(pair.low, pair.high, fixedSigned)],
      el("span", { class: pair.verdict === "beyond_noise" ? "positive" : "dim" }, VERDICTS[pair.verdict]),
      pair.low === null ? "–" : number(pair.p, 2),
      pair.low === null ? "–" : number(pair.adjusted_p, 2),
      pair.low === null ? "–" : number(pair.exact_p, 2),
      pair.problems ? bounds(pair.problems[0], pair.problems[1], fixedSigned) : "–",
      fixed(pair.visible),
    ]),
  );
  return el("section", { id: "pairs" }, el("h2", {}, "Every pair"), el("div", { class: "scroll" }, el("table", {}, head(names), el("tbody", {}, rows))));
}

function seedTable(data) {
  const rows = data.recipes.flatMap((recipe) => recipe.runs.map((run) => row([run.folder, String(run.seed), number(run.final), number(run[data.effort]), number(run.length, 3), duration(run.seconds), number(run.peak_memory_mb), number(run.state_mb, 3)])));
  const names = [["run"], ["seed"], [data.metric], [data.effort], ["length"], ["time"], ["peak MiB"], ["state MiB"]];
  return el("details", { id: "seeds" }, el("summary", {}, plural(rows.length, "run")), el("div", { class: "scroll" }, el("table", {}, head(names), el("tbody", {}, rows))));
}

const data = JSON.parse(document.getElementById("data").textContent);
const facts = [data.metric, `seeds ${data.seeds.join(", ")}`, data.shared.length ? `shared: ${data.shared.join(", ")}` : null].filter(Boolean);
const list = (items, kind) => (items.length ? el("ul", { class: kind }, items.map((item) => el("li", {}, item))) : null);
const blocks = [
  el("section", {}, el("h1", {}, data.recipes.map((recipe) => recipe.label).join(", ")), data.headline ? el("p", { id: "headline" }, data.headline) : null, el("p", { class: "dim" }, facts.join(" · "))),
  el("section", { id: "findings" }, el("h2", {}, "What exceeds the noise"), list(data.findings, "findings"), list(data.remarks, "small dim")),
  figures(data),
  dots(data),
  curves(data),
  pairs(data),
  seedTable(data),
];
document.getElementById("page").replaceChildren(...blocks.filter(Boolean));
