// The annotator's page. Text from pages is only ever set as text: nothing on it can become markup or run.
"use strict";

const ROW = 44; // height of a domain's row, as the style has it
const SPARE_ROWS = 6;
const AHEAD = 2; // open paths whose samples are fetched before they are asked for
const POLL_MS = 4000;
const WORDS = { math: "math", not_math: "not", skip: "mixed" };

const by = (id) => document.getElementById(id);
const count = (value) => Math.round(value).toLocaleString("en");
const percent = (value) => `${(100 * value).toFixed(value < 0.1 ? 1 : 0)} %`;
const plural = (value, word) => `${count(value)} ${word}${value === 1 ? "" : "s"}`;

let state = null; // what /api/state said, kept up to date
let listed = []; // indices of the domains on the left
let limit = 0; // domains to look at: the budget
let current = { name: null, rows: [], index: 0 };
let work = Promise.resolve(); // keys are worked off one after another
const samples = new Map(); // pattern -> { revision, answer }

function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, String(value));
  }
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

// ---- talking to the server ----

async function ask(path, body) {
  const options = body === undefined ? {} : { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Error("The server does not answer. All keys before this one are saved; start the command again to go on.");
  }
  const content = await answer.json().catch(() => ({ error: `status ${answer.status}` }));
  if (!answer.ok) throw Object.assign(new Error(content.error), { status: answer.status });
  return content;
}

function say(text) {
  by("message").textContent = text;
  by("message").hidden = !text;
}

// Work off keys in the order they were pressed, however fast; a failure is said and stops nothing.
function queue(task) {
  work = work.then(task).then(
    () => {},
    (error) => say(error.message),
  );
  return work;
}

// ---- what is known ----

function merge(update) {
  for (const [name, progress] of Object.entries(update.progress)) state.progress.set(name, progress);
  state.gained = update.gained;
  state.decided = update.decided;
  state.revision = update.revision;
  const domain = update.domain;
  if (domain && domain.name === current.name) setRows(domain.rows);
  showTotals();
  showDomains();
}

const isOpen = (row) => row.gain > 0 && row.label === null && row.inherited !== "math" && row.inherited !== "not_math";
const isClosed = (name) => Boolean(state.progress.get(name)?.closed);

function setRows(rows) {
  const chosen = current.rows[current.index];
  current.rows = rows;
  const again = chosen ? rows.findIndex((row) => row.pattern === chosen.pattern) : -1;
  current.index = again >= 0 ? again : Math.max(0, Math.min(current.index, rows.length - 1));
}

// ---- left: domains ----

function filterDomains() {
  const wanted = by("search").value.trim().toLowerCase();
  listed = [];
  for (let i = 0; i < state.domains.length; i += 1) {
    if (wanted ? state.domains[i][0].includes(wanted) : i < limit) listed.push(i);
  }
  by("domains-inner").style.height = `${listed.length * ROW}px`;
  const hidden = state.num_domains - state.domains.length;
  by("domains-note").textContent =
    `${plural(listed.length, "domain")}${wanted ? " found" : ""}` + (hidden ? `; ${count(hidden)} with less to gain are not listed` : "");
}

function showDomains() {
  const box = by("domains");
  const first = Math.max(0, Math.floor(box.scrollTop / ROW) - SPARE_ROWS);
  const last = Math.min(listed.length, Math.ceil((box.scrollTop + box.clientHeight) / ROW) + SPARE_ROWS);
  const rows = [];
  for (let place = first; place < last; place += 1) rows.push(domainRow(place));
  by("domains-inner").replaceChildren(...rows);
}

function domainRow(place) {
  const [name, pages, collected, expected] = state.domains[listed[place]];
  const progress = state.progress.get(name);
  const closed = isClosed(name);
  const node = el(
    "div",
    {
      class: `domain-row${closed ? " closed" : ""}`,
      role: "option",
      "aria-selected": name === current.name,
      "aria-setsize": listed.length,
      "aria-posinset": place + 1,
      onclick: () => queue(() => openDomain(name)),
    },
    el("span", { class: "name", title: name }, name),
    el("span", { class: "done" }, closed ? "✓" : ""),
    el("span", { class: "sub" }, `≈ ${count(expected)} to gain · ${percent(collected / pages)} of ${count(pages)}` + (progress && progress.won ? ` · +${count(progress.won)}` : "")),
  );
  node.style.top = `${place * ROW}px`;
  return node;
}

function revealDomain() {
  const place = listed.findIndex((i) => state.domains[i][0] === current.name);
  if (place < 0) return;
  const box = by("domains");
  if (place * ROW < box.scrollTop) box.scrollTop = place * ROW;
  else if ((place + 1) * ROW > box.scrollTop + box.clientHeight) box.scrollTop = (place + 1) * ROW - box.clientHeight;
}

async function openDomain(name, pattern) {
  const domain = await ask(`/api/domain?name=${encodeURIComponent(name)}`);
  current = { name, rows: domain.rows, index: 0 };
  const open = domain.rows.findIndex(isOpen);
  const wanted = pattern === undefined ? open : domain.rows.findIndex((row) => row.pattern === pattern);
  current.index = Math.max(0, wanted);
  revealDomain();
  showDomains();
  showPaths();
  showSamples();
}

function stepDomain(step) {
  const place = listed.findIndex((i) => state.domains[i][0] === current.name);
  const next = listed[place < 0 ? 0 : place + step];
  return next === undefined ? undefined : openDomain(state.domains[next][0]);
}

// ---- middle: paths ----

function showPaths() {
  const domain = state.domains.find(([name]) => name === current.name);
  by("domain").textContent = current.name === null ? "Nothing to annotate" : current.name;
  by("domain-facts").textContent = domain
    ? `${plural(domain[1], "page")}, ${count(domain[2])} collected (${percent(domain[2] / domain[1])})`
    : "No domain has more than the least share of its pages collected.";
  const rows = current.rows.map(pathRow);
  by("paths").replaceChildren(...rows);
  const chosen = rows[current.index];
  if (chosen) {
    by("paths").setAttribute("aria-activedescendant", chosen.id);
    chosen.scrollIntoView({ block: "nearest" });
  }
}

function pathRow(row, index) {
  const parts = row.pattern.split("/");
  const name = row.depth === 0 ? row.pattern : `/${parts[parts.length - 1]}`;
  const node = el(
    "div",
    {
      class: `path-row${isOpen(row) ? "" : " settled"}`,
      role: "option",
      id: `path-${index}`,
      "aria-selected": index === current.index,
      title: row.pattern,
      onclick: () => queue(() => select(index)),
    },
    el("span", { class: "path" }, el("span", { class: "name" }, name), tag(row)),
    el("span", { class: "number" }, count(row.pages)),
    el("span", { class: "number" }, percent(row.collected / row.pages)),
    el("span", { class: "number" }, row.score.toFixed(2)),
    el("span", { class: "number" }, count(row.gain)),
  );
  node.style.setProperty("--depth", Math.min(row.depth, 8));
  return node;
}

function tag(row) {
  if (row.label !== null) return el("span", { class: `tag ${row.label}`, title: row.by }, WORDS[row.label]);
  if (row.inherited !== null) return el("span", { class: `tag ${row.inherited} inherited`, title: "by a path above" }, `↳ ${WORDS[row.inherited]}`);
  if (row.proposal !== null) return el("span", { class: `tag ${row.proposal.label} proposed`, title: row.proposal.by }, `${WORDS[row.proposal.label]}?`);
  return null;
}

function select(index) {
  if (index < 0 || index >= current.rows.length) return;
  current.index = index;
  showPaths();
  showSamples();
}

// After a decision: the next open path of the domain, else the next domain that has one, else the end.
async function goOn() {
  const { rows, index } = current;
  const below = rows.findIndex((row, i) => i > index && isOpen(row));
  const next = below >= 0 ? below : rows.findIndex(isOpen);
  if (next >= 0) return select(next);
  const place = state.domains.findIndex(([name]) => name === current.name);
  const order = [...state.domains.keys()].slice(0, limit);
  const ahead = [...order.filter((i) => i > place), ...order.filter((i) => i < place)];
  const found = ahead.find((i) => !isClosed(state.domains[i][0]));
  if (found !== undefined) return openDomain(state.domains[found][0]);
  showPaths();
  showSamples();
  return showClosing();
}

// ---- right: sample pages ----

async function fetchSamples(pattern) {
  const known = samples.get(pattern);
  if (known && known.revision === state.revision) return known.answer;
  const revision = state.revision;
  const answer = await ask(`/api/samples?pattern=${encodeURIComponent(pattern)}`);
  samples.set(pattern, { revision, answer });
  return answer;
}

function showSamples() {
  const row = current.rows[current.index];
  by("pattern").textContent = row ? row.pattern : "";
  for (const id of ["math", "not_math", "skip", "accept"]) by(id).disabled = !row;
  by("proposal").hidden = !(row && row.proposal);
  if (row && row.proposal) by("proposed").textContent = `${row.proposal.by} proposes ${WORDS[row.proposal.label]}: ${row.proposal.why}`;
  if (!row) {
    by("adds").textContent = "";
    by("pages").replaceChildren();
    return;
  }
  const known = samples.get(row.pattern);
  showPages(row, known ? known.answer : null);
  if (known && known.revision !== state.revision) by("adds").textContent = "…"; // the pages are the same, what they add may not be
  fetchSamples(row.pattern).then(
    (answer) => {
      if (current.rows[current.index] && current.rows[current.index].pattern === row.pattern) showPages(row, answer);
      const open = current.rows.filter((other, i) => i > current.index && isOpen(other));
      for (const other of open.slice(0, AHEAD)) if (!samples.has(other.pattern)) fetchSamples(other.pattern).catch(() => {});
    },
    (error) => say(error.message),
  );
}

function showPages(row, answer) {
  by("pages").setAttribute("aria-busy", answer === null);
  if (answer === null) {
    by("adds").textContent = "…";
    by("pages").replaceChildren();
    return;
  }
  by("adds").textContent = `y adds ${plural(answer.adds, "page")}` + (row.by ? ` · ${row.by} said ${WORDS[row.label]}${row.why ? `: ${row.why}` : ""}` : "");
  const parts = [];
  for (const [collected, title] of [[false, "Not collected"], [true, "Collected"]]) {
    const pages = answer.pages.filter((page) => page.collected === collected);
    parts.push(el("h3", {}, pages.length ? title : `${title}: none`), ...pages.map(pageCard));
  }
  if (by("pages").dataset.pattern !== row.pattern) by("pages").scrollTop = 0;
  by("pages").dataset.pattern = row.pattern;
  by("pages").replaceChildren(...parts);
}

function pageCard(page) {
  return el(
    "article",
    { class: "page" },
    el("div", { class: "title", dir: "auto" }, page.title || "(no title)"),
    el("div", { class: "url" }, `${page.score.toFixed(2)} · ${page.url}`),
    el("div", { class: "text", dir: "auto" }, page.text),
  );
}

// ---- decisions ----

// What stands in the field goes with the key that comes next, though it is worked off later: the field is free at once for the one after.
function press(label) {
  const why = by("why").value.trim();
  by("why").value = "";
  return queue(() => decide(label, why));
}

function giveBack(why) {
  if (!by("why").value) by("why").value = why;
}

async function decide(label, why) {
  const row = current.rows[current.index];
  if (!row || (label === "accept" && !row.proposal)) return giveBack(why);
  const known = samples.get(row.pattern);
  try {
    const update = await ask("/api/label", { pattern: row.pattern, label, why, known: row.line, looked: Boolean(known), since: state.revision });
    say("");
    merge(update);
    await goOn();
  } catch (error) {
    giveBack(why);
    if (error.status === 409) {
      await catchUp();
      say(error.message); // and the line that stands is now known
    } else throw error;
  }
}

async function undo() {
  const update = await ask("/api/undo", { since: state.revision });
  say("");
  merge(update);
  if (update.domain) await openDomain(update.domain.name, update.pattern);
}

// What other tabs and other people did meanwhile.
async function catchUp() {
  const update = await ask(`/api/changes?since=${state.revision}`);
  if (update.revision === state.revision) return;
  merge(update);
  if (current.name !== null && current.name in update.progress) {
    const domain = await ask(`/api/domain?name=${encodeURIComponent(current.name)}`);
    setRows(domain.rows);
    showPaths();
    showSamples();
  }
}

// ---- above: totals, budget; dialogs ----

function showTotals() {
  by("gained").textContent = `+${count(state.gained)}`;
  by("decided").textContent = `round ${state.round} · ${plural(state.decided, "decision")}`;
  by("who").textContent = state.by;
  const steps = [...state.budget, [1, state.domains.length]];
  const buttons = steps.map(([share, number]) => {
    const closed = state.domains.slice(0, number).filter(([name]) => isClosed(name)).length;
    const title = `The first ${plural(number, "domain")} cover ${percent(share)} of the expected gain; ${closed} finished`;
    return el(
      "button",
      { type: "button", title, "aria-pressed": number === limit, onclick: () => setLimit(number) },
      `${share === 1 ? "all" : percent(share)}: ${count(number)}`,
      el("progress", { value: closed, max: Math.max(1, number), "aria-hidden": true }),
    );
  });
  by("budget").replaceChildren(...buttons);
}

function setLimit(number) {
  limit = number;
  by("search").value = "";
  filterDomains();
  showTotals();
  by("domains").scrollTop = 0;
  revealDomain();
  showDomains();
}

function nextLimit() {
  const numbers = [...new Set([...state.budget.map(([, number]) => number), state.domains.length])];
  setLimit(numbers[(numbers.indexOf(limit) + 1) % numbers.length]);
}

async function showClosing() {
  const summary = await ask("/api/summary");
  const { labels, agreement } = summary;
  const isAll = state.domains.slice(0, limit).every(([name]) => isClosed(name));
  by("closing-title").textContent = isAll ? `Round ${state.round} is annotated` : `Round ${state.round}, so far`;
  by("closing-gain").textContent = `+${count(summary.gained)} pages`;
  const facts = [
    `${plural(labels.math, "path")} mathematics, ${count(labels.not_math)} not, ${count(labels.skip)} mixed`,
    `${count(summary.finished)} of ${plural(summary.num_domains, "domain")} finished; the first ${count(limit)} were on your list`,
    agreement.overlap
      ? `You and the model agree on ${agreement.equal} of ${plural(agreement.overlap, "path")}` +
        (agreement.kappa === null ? "" : ` (Cohen's kappa ${agreement.kappa.toFixed(2)})`)
      : null,
    `Everything is in ${summary.file}`,
  ];
  by("closing-facts").replaceChildren(...facts.filter(Boolean).map((fact) => el("li", {}, fact)));
  by("left").textContent = summary.left;
  by("left").hidden = !summary.left;
  by("next").textContent = summary.next;
  if (!by("closing").open) by("closing").showModal();
}

async function stop() {
  await ask("/api/stop", {});
  clearInterval(polling);
  by("stop").disabled = true;
  by("back").disabled = true;
  by("stop").textContent = "Stopped: close this tab";
}

// ---- keys ----

const LABELS = { y: "math", n: "not_math", s: "skip", a: "accept" };

const KEYS = {
  u: undo,
  q: showClosing,
  b: nextLimit,
  "?": () => by("help").showModal(),
  ArrowDown: () => select(current.index + 1),
  ArrowUp: () => select(current.index - 1),
  ArrowRight: () => stepDomain(1),
  ArrowLeft: () => stepDomain(-1),
};

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (document.querySelector("dialog[open]")) return;
  if (event.target === by("search")) {
    if (event.key === "Escape" || event.key === "Enter") {
      event.preventDefault();
      const first = event.key === "Enter" ? listed[0] : undefined;
      by("search").value = event.key === "Escape" ? "" : by("search").value;
      by("search").blur();
      filterDomains();
      showDomains();
      if (first !== undefined) queue(() => openDomain(state.domains[first][0]));
    }
    return;
  }
  if (event.target === by("why")) {
    if (event.key === "Escape" || event.key === "Enter") {
      event.preventDefault();
      if (event.key === "Escape") by("why").value = "";
      by("why").blur();
    }
    return;
  }
  if (event.key === "/") {
    event.preventDefault();
    by("search").select();
    by("search").focus();
    return;
  }
  if (event.key === " " && event.target.tagName !== "BUTTON") {
    event.preventDefault();
    by("pages").scrollBy({ top: (event.shiftKey ? -0.85 : 0.85) * by("pages").clientHeight });
    return;
  }
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (key === "w") {
    event.preventDefault();
    by("why").focus(); // at once, not in the queue: the next key is text already
    return;
  }
  const label = Object.hasOwn(LABELS, key) ? LABELS[key] : undefined;
  // A key that is held down repeats: fine for arrows, not for decisions.
  if ((!label && !Object.hasOwn(KEYS, key)) || (event.repeat && !key.startsWith("Arrow"))) return;
  event.preventDefault();
  if (label) press(label);
  else queue(KEYS[key]);
}

let polling = 0;

async function start() {
  state = await ask("/api/state");
  state.progress = new Map(Object.entries(state.progress)); // a host may be called __proto__
  document.title = `Annotate round ${state.round}`;
  limit = state.domains.length ? state.budget[0][1] : 0;
  // A budget that is done is not where to begin.
  for (const number of [...state.budget.map(([, number]) => number), state.domains.length]) {
    limit = number;
    if (state.domains.slice(0, number).some(([name]) => !isClosed(name))) break;
  }
  filterDomains();
  showTotals();
  showDomains();
  document.addEventListener("keydown", onKey);
  by("search").addEventListener("input", () => {
    filterDomains();
    by("domains").scrollTop = 0;
    showDomains();
  });
  by("domains").addEventListener("scroll", () => requestAnimationFrame(showDomains));
  addEventListener("resize", showDomains);
  for (const label of ["math", "not_math", "skip", "accept"]) by(label).addEventListener("click", () => press(label));
  by("undo").addEventListener("click", () => queue(undo));
  by("help-button").addEventListener("click", () => by("help").showModal());
  by("finish-button").addEventListener("click", () => queue(showClosing));
  by("stop").addEventListener("click", () => queue(stop));
  by("back").addEventListener("click", () => by("closing").close());
  document.addEventListener("visibilitychange", () => document.hidden || queue(catchUp));
  polling = setInterval(() => document.hidden || queue(catchUp), POLL_MS);
  const first = state.domains.slice(0, limit).find(([name]) => !isClosed(name)) || state.domains[0];
  if (first) await openDomain(first[0]);
  else showPaths();
}

queue(start);
