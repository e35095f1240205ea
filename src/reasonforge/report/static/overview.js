// What the runs are and what they show, before any curve.

const HIGHER_IS_BETTER = /^(pass@|maj@|format|accuracy|step_skill)/;

function runHeader(run) {
  const facts = [
    `seed ${run.seed}`,
    duration(run.seconds),
    run.attempts > 1 ? plural(run.attempts, "attempt") : null,
    new Date(run.created * 1000).toISOString().slice(0, 16).replace("T", " ") + " UTC",
    run.git ? `commit ${run.git.slice(0, 10)}` : null,
  ].filter(Boolean);
  const notes = run.notes.length ? el("ul", { class: "findings" }, run.notes.map((note) => el("li", {}, note))) : null;
  const lost = Object.entries(run.lost_rows).map(([kind, count]) => `${count} ${kind}`);
  return el(
    "section",
    {},
    el("h1", {}, run.name),
    el("div", { class: "row" }, el("span", { class: `badge ${run.status}` }, run.status), el("span", { class: "dim" }, facts.join(" · "))),
    run.message ? el("p", { class: "notice" }, run.message) : null,
    run.problems.map((problem) => el("p", { class: "notice" }, problem)),
    lost.length ? el("p", { class: "notice" }, `The disk refused some writes: ${lost.join(", ")}.`) : null,
    notes && el("h2", {}, "What this run shows"),
    notes,
  );
}

function scoreCell(scores, name) {
  const value = scores && scores[name];
  if (value === null || value === undefined) return el("td", {}, "–");
  const interval = scores[`${name}_ci`];
  const range = interval ? el("span", { class: "interval", title: "95 % confidence interval" }, ` [${number(interval[0], 3)}, ${number(interval[1], 3)}]`) : null;
  return el("td", {}, number(value), range);
}

function changeCell(run, name) {
  const [before, after] = [run.base && run.base[name], run.final && run.final[name]];
  if (typeof before !== "number" || typeof after !== "number") return el("td", {}, "");
  const change = after - before;
  const tone = !HIGHER_IS_BETTER.test(name) || change === 0 ? "" : change > 0 ? "up" : "down";
  return el("td", { class: `change ${tone}` }, signed(change));
}

// Before (hollow) and after (full) on the scale from 0 to 1, with their intervals.
function dumbbell(run, name) {
  const values = [run.base, run.final].map((scores) => (scores ? scores[name] : null));
  if (!values.every((value) => typeof value === "number" && value >= 0 && value <= 1)) return el("td", {});
  const x = (value) => 6 + value * 148;
  const whisker = (scores, y) => (scores[`${name}_ci`] ? svg("path", { class: "whisker", d: `M${x(scores[`${name}_ci`][0])} ${y}H${x(scores[`${name}_ci`][1])}` }) : null);
  const picture = svg(
    "svg",
    { viewBox: "0 0 160 22", class: "dumbbell", "aria-hidden": "true" },
    svg("path", { class: "grid", d: "M6 18V20M80 18V20M154 18V20M6 19H154" }),
    svg("path", { class: "bridge", d: `M${x(values[0])} 10H${x(values[1])}` }),
    whisker(run.base, 10),
    whisker(run.final, 10),
    svg("circle", { class: "before", cx: x(values[0]), cy: 10, r: 4.5 }),
    svg("circle", { class: "after", cx: x(values[1]), cy: 10, r: 5 }),
  );
  return el("td", {}, picture);
}

function scoreTable(runs) {
  const scored = runs.filter((run) => run.base || run.final);
  const names = [...new Set(scored.flatMap((run) => Object.keys({ ...run.base, ...run.final })))].filter((name) => !name.endsWith("_ci"));
  if (!names.length) return null;
  const stages = (run) => ({ before: run.before, after: run.after });
  const named = (run, word) => (stages(run)[word] ? `${word} (${stages(run)[word]})` : word);
  const title = (run, word) => (runs.length > 1 ? `${run.name}: ${named(run, word)}` : named(run, word));
  const header = scored.flatMap((run) => ["before", "after", "change", ""].map((word) => el("th", { scope: "col" }, word && title(run, word))));
  const rows = names.map((name) =>
    el("tr", {}, el("td", {}, name), scored.map((run) => [scoreCell(run.base, name), scoreCell(run.final, name), changeCell(run, name), dumbbell(run, name)])),
  );
  const table = el("table", {}, el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "held-out"), header)), el("tbody", {}, rows));
  return el("section", {}, el("h2", {}, "Before and after"), el("div", { class: "scroll" }, table));
}

// Every evaluation in the recipe's order, where there are more than before and after can hold.
function evaluationTable(runs) {
  const columns = runs
    .filter((run) => run.evaluations.length > (run.base ? 2 : 1))
    .flatMap((run) => run.evaluations.map(([stage, scores]) => ({ title: runs.length > 1 ? `${run.name}: ${stage}` : stage, scores })));
  const names = [...new Set(columns.flatMap(({ scores }) => Object.keys(scores)))].filter((name) => !name.endsWith("_ci"));
  if (!names.length) return null;
  const header = [el("th", { scope: "col" }, "held-out"), ...columns.map(({ title }) => el("th", { scope: "col" }, title))];
  const rows = names.map((name) => el("tr", {}, el("td", {}, name), columns.map(({ scores }) => scoreCell(scores, name))));
  const table = el("table", {}, el("thead", {}, el("tr", {}, header)), el("tbody", {}, rows));
  return el("section", { id: "evaluations" }, el("h2", {}, "Every evaluation"), el("div", { class: "scroll" }, table));
}

// Final figures of recipes that ran with several seeds.
function seedTable(groups) {
  const spread = groups.filter((group) => group.scores);
  const names = [...new Set(spread.flatMap((group) => Object.keys(group.scores)))];
  if (!names.length) return null;
  const header = [el("th", { scope: "col" }, "held-out"), ...spread.map((group) => el("th", { scope: "col" }, group.name))];
  const cell = (found) => el("td", {}, found ? [number(found.mean), el("span", { class: "interval" }, ` ± ${number(found.deviation, 2)}`)] : "–");
  const rows = names.map((name) => el("tr", {}, el("td", {}, name), spread.map((group) => cell(group.scores[name]))));
  const table = el("table", {}, el("thead", {}, el("tr", {}, header)), el("tbody", {}, rows));
  const note = "Mean over seeds ± one sample standard deviation. Curves show the same as a band. Whether a difference exceeds the noise: reasonforge compare.";
  return el("section", { id: "seeds" }, el("h2", {}, "Over seeds"), el("p", { class: "small dim" }, note), el("div", { class: "scroll" }, table));
}

function timeline(run, several) {
  if (!run.stages.length) return null;
  const total = run.stages.reduce((sum, stage) => sum + stage.seconds, 0);
  const bars = run.stages.map((stage) => {
    const steps = stage.total_steps ? `${stage.step}/${stage.total_steps}` : stage.step;
    const kind = stage.type && stage.type !== stage.name ? ` (${stage.type})` : "";
    const facts = `${steps} ${stage.unit}s · ${duration(stage.seconds)}`;
    const node = el("div", { class: `stage ${stage.state}`, title: `${stage.name}${kind}: ${stage.state}, ${facts}` });
    node.append(el("b", {}, stage.name + kind), el("span", { class: "small dim" }, facts), el("span", { class: "small dim" }, stage.state));
    node.style.flexGrow = String(total > 0 ? Math.max(0.02, stage.seconds / total) : 1);
    return node;
  });
  return [several ? el("p", { class: "dim small" }, run.name) : null, el("div", { class: "timeline" }, bars)];
}

function timelines(runs) {
  const drawn = runs.map((run) => timeline(run, runs.length > 1)).filter(Boolean);
  return drawn.length ? el("section", {}, el("h2", {}, "Stages"), drawn) : null;
}

function warnings(runs) {
  const rows = runs.flatMap((run) =>
    run.events.map((event) => el("tr", {}, el("td", {}, runs.length > 1 ? run.name : event.level), el("td", {}, event.stage), el("td", {}, event.kind), el("td", {}, event.message))),
  );
  if (!rows.length) return null;
  return el("details", {}, el("summary", {}, plural(rows.length, "warning")), el("table", { class: "warnings small" }, el("tbody", {}, rows)));
}

function alarms(runs) {
  const rows = runs.flatMap((run) => run.alarms.map(({ stage, message }) => el("li", {}, runs.length > 1 ? `${run.name}, ${stage}: ` : `${stage}: `, message)));
  return rows.length ? el("section", { class: "notice" }, el("b", {}, plural(rows.length, "alarm")), el("ul", {}, rows)) : null;
}

function costs(runs) {
  const spent = runs.filter((run) => run.cost);
  if (!spent.length) return null;
  const tables = spent.map(({ name, cost }) => [
    runs.length > 1 ? el("h3", {}, name) : null,
    el("div", { class: "scroll" }, el("table", { class: "small" }, el("thead", {}, el("tr", {}, cost.header.map((cell) => el("th", { scope: "col" }, cell)))), el("tbody", {}, cost.rows.map((row) => el("tr", {}, row.map((cell) => el("td", {}, cell))))))),
    el("p", { class: "small dim" }, cost.text),
  ]);
  return el("section", {}, el("h2", {}, "Cost"), tables.flat());
}

function provenance(runs) {
  const blocks = runs.map((run) =>
    el(
      "div",
      {},
      runs.length > 1 ? el("h3", {}, run.name) : null,
      el("p", {}, el("code", {}, run.argv.join(" "))),
      el("p", { class: "small dim" }, Object.entries(run.versions).map(([name, version]) => `${name} ${version}`).join(" · ")),
      run.git ? el("p", { class: "small dim" }, `commit ${run.git}`) : null,
      el("p", { class: "small dim" }, run.folder),
    ),
  );
  return el("section", {}, el("h2", {}, "How it was made"), blocks);
}
