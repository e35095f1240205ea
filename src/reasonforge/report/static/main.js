// Puts the page together.

function smoothingControl(redraw) {
  const range = el("input", { type: "range", min: 0, max: 0.98, step: 0.02, value: 0.6 });
  const toggle = el("input", { type: "checkbox", id: "smoothing" });
  const apply = () => redraw(toggle.checked ? Number(range.value) : 0);
  range.addEventListener("input", () => {
    toggle.checked = true;
    apply();
  });
  toggle.addEventListener("change", apply);
  return el("div", { class: "row controls small" }, el("label", {}, toggle, "smooth"), el("label", {}, range, el("span", { class: "dim" }, "strength")));
}

function curvesBlock(data, viewer) {
  if (!data.curves.length) return el("section", {}, el("h2", {}, "Curves"), el("p", { class: "dim" }, "No metrics yet."));
  const { sections, redraw } = curveSections(data, (run, stage, step) => viewer && viewer.show(run, stage, step));
  const hint = el("p", { class: "small dim" }, "Move over a curve to read its values", viewer ? "; click to see that step's rollouts." : ".");
  return el("section", {}, el("h2", {}, "Curves"), hint, smoothingControl(redraw), sections);
}

const data = JSON.parse(document.getElementById("data").textContent);
const viewer = data.rollouts.length ? new RolloutViewer(data) : null;
const nothing = el("section", {}, el("h2", {}, "Rollouts"), el("p", { class: "dim" }, "No rollouts are stored: none of the stages that draw completions to learn from (types rl, sample, label_steps, and preference with iterations) has written any."));
const leftOut = data.left_out.length && el("section", {}, el("h2", {}, "Left out"), el("ul", { class: "small dim" }, data.left_out.map((remark) => el("li", {}, remark))));
const blocks = [
  ...data.runs.map(runHeader),
  seedTable(data.groups),
  scoreTable(data.runs),
  evaluationTable(data.runs),
  timelines(data.runs),
  alarms(data.runs),
  warnings(data.runs),
  viewer ? viewer.node : nothing,
  curvesBlock(data, viewer),
  leftOut || null,
  costs(data.runs),
  provenance(data.runs),
];
document.getElementById("page").replaceChildren(...blocks.filter(Boolean));
