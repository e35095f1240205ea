// Curves. A panel is one small chart; the panels of a stage share their cursor.

const CHART = { width: 360, height: 190, left: 46, right: 10, top: 8, bottom: 22 };
const NUM_COLOURS = 6;

function ticks(low, high, count) {
  if (!(low < high)) return [low];
  const rough = (high - low) / count;
  const scale = 10 ** Math.floor(Math.log10(rough));
  const spacing = scale * [1, 2, 2.5, 5, 10].find((m) => scale * m >= rough * 0.999);
  const first = Math.ceil(low / spacing - 1e-9);
  return Array.from({ length: Math.floor(high / spacing + 1e-9) - first + 1 }, (_, i) => (first + i) * spacing);
}

// An exponential moving average without the pull towards zero at its start; gaps stay gaps.
function smooth(values, weight) {
  let total = 0;
  let norm = 0;
  return values.map((value) => {
    if (value === null) return null;
    total = weight * total + (1 - weight) * value;
    norm = weight * norm + (1 - weight);
    return total / norm;
  });
}

function linePath(xs, ys) {
  let pen = "M";
  let path = "";
  ys.forEach((y, i) => {
    if (y === null) {
      pen = "M";
      return;
    }
    path += `${pen}${xs[i].toFixed(1)} ${y.toFixed(1)}`;
    pen = "L";
  });
  // A lone point draws nothing unless its line has an end.
  return ys.filter((y) => y !== null).length === 1 ? `${path}h1.5` : path;
}

// A closed outline around what lies between two curves.
function bandPath(xs, lows, highs) {
  const points = [...xs.map((x, i) => [x, lows[i]]), ...xs.map((x, i) => [x, highs[i]]).reverse()];
  return `M${points.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L")}Z`;
}

function nearestIndex(steps, step) {
  let low = 0;
  let high = steps.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (steps[middle] < step) low = middle + 1;
    else high = middle;
  }
  return low > 0 && step - steps[low - 1] <= steps[low] - step ? low - 1 : low;
}

function valueRange(curves, metrics) {
  const values = curves.flatMap((curve) => [...curve.values, ...(curve.band ? [...curve.band.low, ...curve.band.high] : [])].filter((value) => value !== null));
  if (!values.length) return [0, 1];
  let low = values.reduce((a, b) => Math.min(a, b));
  let high = values.reduce((a, b) => Math.max(a, b));
  const isShare = curves.every((curve) => metrics[curve.name].unit === "share");
  if (isShare && low >= 0 && high <= 1) return [0, high > 0.25 ? 1 : Math.max(high * 1.15, 0.01)];
  if (low === high) return [low - Math.max(Math.abs(low) * 0.1, 1e-9), high + Math.max(Math.abs(high) * 0.1, 1e-9)];
  const room = (high - low) * 0.06;
  return [low >= 0 && low < room * 3 ? 0 : low - room, high + room];
}

class Chart {
  constructor(panel, data, { onCursor, onPick }) {
    this.metrics = data.metrics;
    this.axis = data.axis || "step";
    // Runs of one recipe with several seeds are one group, drawn as their mean with a band.
    const several = data.groups.length > 1;
    const names = [...new Set(panel.curves.map((i) => data.curves[i].name))];
    this.series = panel.curves.map((index, order) => {
      const curve = data.curves[index];
      const kind = names.indexOf(curve.name);
      const label = several ? `${data.groups[curve.group].name} ${names.length > 1 ? curve.name : ""}`.trim() : curve.name;
      // Several groups: colour tells them apart and dashes tell metrics apart. One: colour tells metrics apart.
      return { ...curve, label, colour: `s${(several ? curve.group : order) % NUM_COLOURS}`, dashed: curve.dashed || (several && kind > 0) };
    });
    const steps = this.series.flatMap((curve) => [curve.steps[0], curve.steps[curve.steps.length - 1]]);
    this.first = Math.min(...steps);
    this.last = Math.max(...steps, this.first + 1);
    const shown = new Set(this.series.flatMap((curve) => data.groups[curve.group].runs));
    this.alarms = [...shown].flatMap((run) => data.runs[run].alarms.filter(({ stage, step }) => stage === panel.stage && step >= this.first && step <= this.last));
    [this.low, this.high] = valueRange(this.series, this.metrics);
    this.at = el("span", { class: "at" });
    this.legend = el("div", { class: "legend" });
    this.plot = svg("svg", {
      viewBox: `0 0 ${CHART.width} ${CHART.height}`,
      class: onPick ? "clickable" : null,
      tabindex: 0,
      role: "img",
      "aria-label": `${panel.title}: arrow keys move through the ${this.axis}s`,
      onpointermove: (event) => onCursor(this.stepAt(event)),
      onpointerdown: (event) => onCursor(this.stepAt(event)),
      onpointerleave: () => onCursor(null),
      onblur: () => onCursor(null),
      onclick: (event) => onPick && onPick(this.stepAt(event), this.series[0].run),
      onkeydown: (event) => this.key(event, onCursor, onPick),
    });
    this.node = el("section", { class: "panel" }, el("header", {}, el("span", {}, panel.title), this.at), this.legend, this.plot);
    this.cursor = null;
    this.draw(0);
  }

  x(step) {
    return CHART.left + ((step - this.first) / (this.last - this.first)) * (CHART.width - CHART.left - CHART.right);
  }

  y(value) {
    return CHART.height - CHART.bottom - ((value - this.low) / (this.high - this.low)) * (CHART.height - CHART.top - CHART.bottom);
  }

  stepAt(event) {
    const box = this.plot.getBoundingClientRect();
    const share = ((event.clientX - box.left) / box.width) * CHART.width - CHART.left;
    const step = this.first + (share / (CHART.width - CHART.left - CHART.right)) * (this.last - this.first);
    const steps = this.series[0].steps;
    return steps[nearestIndex(steps, step)];
  }

  key(event, onCursor, onPick) {
    const steps = this.series[0].steps;
    const index = this.cursor === null ? steps.length - 1 : nearestIndex(steps, this.cursor);
    const move = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (move) onCursor(steps[Math.min(steps.length - 1, Math.max(0, index + move))]);
    else if (event.key === "Enter" && onPick) onPick(steps[index], this.series[0].run);
    else return;
    event.preventDefault();
  }

  draw(smoothing) {
    const { width, height, left, right, top, bottom } = CHART;
    const shapes = ticks(this.low, this.high, 4).flatMap((tick) => [
      svg("path", { class: "grid", d: `M${left} ${this.y(tick)}H${width - right}` }),
      svg("text", { x: left - 6, y: this.y(tick) + 4, "text-anchor": "end" }, number(tick, 3)),
    ]);
    for (const tick of ticks(this.first, this.last, 5).filter(Number.isInteger)) {
      shapes.push(svg("text", { x: this.x(tick), y: height - 6, "text-anchor": "middle" }, number(tick)));
    }
    for (const curve of this.series) {
      const xs = curve.steps.map((step) => this.x(step));
      const ys = curve.values.map((value) => (value === null ? null : this.y(value)));
      const dashed = curve.dashed ? " dashed" : "";
      if (curve.band) {
        const [lows, highs] = [curve.band.low, curve.band.high].map((side) => side.map((value) => this.y(value)));
        shapes.push(svg("path", { class: `band ${curve.colour}`, d: bandPath(xs, lows, highs) }));
      }
      if (smoothing > 0) shapes.push(svg("path", { class: `raw ${curve.colour}`, d: linePath(xs, ys) }));
      shapes.push(svg("path", { class: `curve ${curve.colour}${dashed}`, d: linePath(xs, smooth(ys, smoothing)) }));
    }
    for (const { step, message } of this.alarms) {
      const line = svg("path", { class: "alarm", d: `M${this.x(step)} ${top}V${height - bottom}` }, svg("title", {}, message));
      shapes.push(line, svg("text", { class: "alarm", x: this.x(step), y: top + 8, "text-anchor": "middle" }, "!"));
    }
    this.marks = svg("g", { class: "marks" });
    this.plot.replaceChildren(...shapes, this.marks);
    this.point(this.cursor);
  }

  // Show the values at a step, or the last ones.
  point(step) {
    this.cursor = step;
    this.at.replaceChildren(step === null ? "" : `${this.axis} ${step}`);
    const marks = [];
    if (step !== null && step >= this.first && step <= this.last) {
      marks.push(svg("path", { class: "cursor", d: `M${this.x(step)} ${CHART.top}V${CHART.height - CHART.bottom}` }));
    }
    const keys = this.series.map((curve) => {
      const index = step === null ? curve.steps.length - 1 : nearestIndex(curve.steps, step);
      const value = curve.values[index];
      if (step !== null && value !== null) {
        marks.push(svg("circle", { class: `dot ${curve.colour}`, cx: this.x(curve.steps[index]), cy: this.y(value), r: 4 }));
      }
      return this.legendKey(curve, value);
    });
    this.marks.replaceChildren(...marks);
    this.legend.replaceChildren(...keys);
  }

  legendKey(curve, value) {
    const { help, unit, healthy } = this.metrics[curve.name];
    const [low, high] = healthy || [null, null];
    const odd = value !== null && ((low !== null && value < low) || (high !== null && value > high));
    const range = healthy ? ` Healthy: ${low === null ? "" : `at least ${low}`}${high === null ? "" : ` at most ${high}`}.` : "";
    const title = `${curve.name}: ${help}${unit ? ` Unit: ${unit}.` : ""}${range}`;
    const swatch = el("span", { class: `swatch ${curve.colour}${curve.dashed ? " dashed" : ""}` });
    return el("span", { class: "key", title }, swatch, `${curve.label} `, el("b", {}, number(value)), odd ? " ⚠" : null);
  }
}

function curveSections(data, onPick) {
  const charts = [];
  const stages = [...new Set(data.panels.map((panel) => panel.stage))];
  const sections = stages.map((stage) => {
    const own = [];
    const hasRollouts = data.rollouts.some((entry) => entry.stage === stage);
    const handlers = {
      onCursor: (step) => own.forEach((chart) => chart.point(step)),
      onPick: hasRollouts ? (step, run) => onPick(run, stage, step) : null,
    };
    const draw = (panel) => {
      const chart = new Chart(panel, data, handlers);
      own.push(chart);
      charts.push(chart);
      return chart.node;
    };
    const panels = data.panels.filter((panel) => panel.stage === stage);
    const minor = panels.filter((panel) => !panel.main);
    const rest = minor.length && el("details", {}, el("summary", {}, plural(minor.length, "more metric")), el("div", { class: "panels" }, minor.map(draw)));
    return el("section", {}, el("h3", {}, stage), el("div", { class: "panels" }, panels.filter((panel) => panel.main).map(draw)), rest || null);
  });
  return { sections, redraw: (smoothing) => charts.forEach((chart) => chart.draw(smoothing)) };
}
