// The rollouts: pick a step, see its groups as strips of cells, open one and read its completions side by side.

const SORTS = {
  "most mixed first": (group) => -spreadOf(group),
  "as sampled": null,
  "lowest reward first": (group) => meanReward(group),
  "highest reward first": (group) => -meanReward(group),
};

const rewardsOf = (group) => group.rollouts.map((member) => member.reward ?? 0);
const meanReward = (group) => rewardsOf(group).reduce((a, b) => a + b, 0) / group.rollouts.length;
// Variance: with rewards of 0 and 1 a half-and-half group is the most mixed, which the range would not tell from one in sixteen.
const spreadOf = (group) => rewardsOf(group).reduce((sum, reward) => sum + (reward - meanReward(group)) ** 2, 0) / group.rollouts.length;

class RolloutViewer {
  constructor(data) {
    this.data = data;
    this.entry = data.rollouts[0];
    // In the middle of training groups are mixed: that is where learning can be seen.
    this.position = Math.floor((this.entry.steps.length - 1) / 2);
    this.sort = "most mixed first";
    this.group = 0;
    this.member = null;
    this.source = el("select", { "aria-label": "stage", onchange: () => this.choose(this.data.rollouts[this.source.selectedIndex], 0) });
    this.source.append(...data.rollouts.map((entry) => el("option", {}, this.sourceName(entry))));
    this.slider = el("input", { type: "range", min: 0, class: "slider", "aria-label": "step", oninput: () => this.go(Number(this.slider.value)) });
    this.label = el("span", { class: "dim small", "aria-live": "polite" });
    this.order = el("select", { "aria-label": "order of groups", onchange: () => this.reorder() }, Object.keys(SORTS).map((name) => el("option", {}, name)));
    this.strips = el("div", { class: "groups" });
    this.detail = el("div", { class: "detail" });
    const jump = (name, where) => el("button", { type: "button", onclick: () => this.go(where()) }, name);
    const end = () => this.entry.steps.length - 1;
    this.node = el(
      "section",
      { id: "rollouts" },
      el("h2", {}, "Rollouts"),
      el("div", { class: "row controls" }, data.rollouts.length > 1 ? this.source : null, jump("first", () => 0), jump("middle", () => Math.floor(end() / 2)), jump("last", end), this.slider),
      el("div", { class: "row controls" }, this.label, this.order, this.scale()),
      this.strips,
      this.detail,
    );
    this.draw();
  }

  sourceName(entry) {
    return this.data.runs.length > 1 ? `${this.data.runs[entry.run].name}: ${entry.stage}` : entry.stage;
  }

  scale() {
    this.lowest = el("span", {});
    this.highest = el("span", {});
    return el("span", { class: "small dim" }, "reward ", this.lowest, el("span", { class: "scale" }), this.highest);
  }

  choose(entry, position) {
    this.entry = entry;
    this.source.selectedIndex = this.data.rollouts.indexOf(entry);
    this.go(Math.min(position, entry.steps.length - 1));
  }

  go(position) {
    this.position = position;
    this.group = 0;
    this.member = null;
    this.draw();
  }

  // From a point of a curve to the nearest step that is in the page.
  show(run, stage, step) {
    const entry = this.data.rollouts.find((each) => each.run === run && each.stage === stage);
    if (!entry) return;
    this.choose(entry, nearestIndex(entry.steps.map((each) => each.step), step));
    this.node.scrollIntoView({ behavior: "smooth" });
  }

  reorder() {
    this.sort = this.order.value;
    this.group = 0;
    this.member = null;
    this.draw();
  }

  open(group, member) {
    this.group = group;
    this.member = member;
    this.draw();
    const target = member === null ? this.detail : this.detail.querySelector(".card.chosen");
    if (target) target.scrollIntoView({ behavior: "smooth", block: "nearest" });
  }

  draw() {
    const { steps } = this.entry;
    const step = steps[this.position];
    const rewards = steps.flatMap((each) => each.groups.flatMap((group) => group.rollouts.map((m) => m.reward))).filter((r) => r !== null);
    this.low = rewards.reduce((a, b) => Math.min(a, b), Infinity);
    this.high = rewards.reduce((a, b) => Math.max(a, b), -Infinity);
    this.lowest.replaceChildren(number(this.low));
    this.highest.replaceChildren(number(this.high));
    this.slider.max = String(steps.length - 1);
    this.slider.value = String(this.position);
    this.slider.setAttribute("aria-valuetext", `step ${step.step}`);
    const facts = [
      `step ${step.step} (${this.position + 1} of ${steps.length})`,
      `mean reward ${number(step.reward)}`,
      `right ${number(step.correct * 100, 3)} %`,
      `mean length ${number(step.tokens)} tokens`,
      step.groups.length < step.num_groups ? `${step.groups.length} of ${step.num_groups} groups` : plural(step.num_groups, "group"),
    ];
    this.label.replaceChildren(facts.join(" · "));
    const key = SORTS[this.sort];
    this.groups = key ? [...step.groups].sort((a, b) => key(a) - key(b)) : step.groups;
    this.strips.replaceChildren(...this.groups.map((group, i) => this.strip(group, i)));
    this.detail.replaceChildren(...(this.groups.length ? this.groupDetail(this.groups[this.group]) : [el("p", { class: "dim" }, "No group of this step is in the page.")]));
  }

  strip(group, index) {
    const isOpen = index === this.group;
    const cells = group.rollouts.map((member, i) => this.cell(member, isOpen && i === this.member, () => this.open(index, i)));
    const prompt = el("span", { class: "prompt", title: group.prompt }, group.prompt.replace(/\s+/g, " "));
    return el("div", { class: `group${isOpen ? " open" : ""}`, onclick: () => this.open(index, null) }, el("div", { class: "cells" }, cells), el("span", { class: "mean" }, number(meanReward(group), 3)), prompt);
  }

  cell(member, chosen, onPick) {
    const share = member.reward === null ? null : this.high > this.low ? (member.reward - this.low) / (this.high - this.low) : 1;
    const tone = share === null ? " unknown" : share > 0.5 ? " high" : "";
    const label = `completion ${member.i}: ${member.verdict}, reward ${number(member.reward)}, advantage ${member.advantage === null ? "none" : signed(member.advantage)}`;
    const pick = (event) => {
      event.stopPropagation();
      onPick();
    };
    const attributes = { type: "button", class: `cell${tone}${chosen ? " chosen" : ""}`, "--share": share ?? 0, title: label, "aria-label": label, onclick: pick };
    return el("button", attributes, GLYPHS[member.verdict] ?? "?");
  }

  groupDetail(group) {
    const move = (name, by) => el("button", { type: "button", disabled: this.group + by < 0 || this.group + by >= this.groups.length, onclick: () => this.open(this.group + by, null) }, name);
    const head = el("div", { class: "row" }, el("b", {}, `Group ${this.group + 1} of ${this.groups.length}`), move("previous", -1), move("next", 1), this.elsewhere(group));
    const question = el("div", { class: "question" }, head, el("div", { class: "text", tabindex: 0 }, group.prompt), el("p", { class: "small" }, "Reference answer: ", el("code", {}, group.gold)));
    return [question, el("div", { class: "cards" }, group.rollouts.map((member, i) => this.card(member, i === this.member)))];
  }

  // Links to the other steps at which the same problem was sampled.
  elsewhere(group) {
    const places = this.entry.steps.flatMap((step, position) => (position !== this.position && step.groups.some((each) => each.id === group.id) ? [position] : []));
    if (!places.length) return null;
    const go = (event) => event.target.value && this.sameProblem(Number(event.target.value), group.id);
    const options = places.map((position) => el("option", { value: position }, `step ${this.entry.steps[position].step}`));
    return el("select", { "aria-label": "the same problem at another step", onchange: go }, el("option", { value: "" }, "same problem at …"), options);
  }

  sameProblem(position, id) {
    this.go(position);
    this.open(this.groups.findIndex((group) => group.id === id), null);
  }

  card(member, chosen) {
    const sign = member.advantage > 0 ? "positive" : member.advantage < 0 ? "negative" : "dim";
    const arrow = { positive: "▲ ", negative: "▼ ", dim: "" }[sign];
    const advantage = member.advantage === null ? null : el("span", { class: sign, title: "advantage: how much better than its group" }, `advantage ${arrow}${signed(member.advantage)}`);
    const parts = Object.entries(member.parts).map(([name, value]) => `${name} ${number(value)}`);
    const facts = [...parts, `${plural(member.tokens, "token")}${member.finish === "length" ? ", cut by the length limit" : ""}`, member.cut ? "shortened here" : null];
    const verdict = [el("span", { class: member.verdict }, `${GLYPHS[member.verdict] ?? "?"} ${member.verdict.replace("_", " ")}`), member.prediction === null ? null : [" · answer ", el("code", {}, member.prediction)], member.reason ? ` · ${member.reason}` : null];
    const text = segments(member.text).map(([kind, piece]) => el("span", { class: `part-${kind}` }, piece));
    return el(
      "article",
      { class: `card${chosen ? " chosen" : ""}` },
      el("header", {}, el("b", { title: `seed ${member.seed}` }, `#${member.i}`), el("span", {}, "reward ", el("b", {}, number(member.reward))), advantage),
      el("div", { class: "facts" }, facts.filter(Boolean).join(" · ")),
      el("div", { class: "text", tabindex: 0 }, text.length ? text : el("span", { class: "dim" }, "(empty)")),
      el("footer", {}, verdict),
    );
  }
}
