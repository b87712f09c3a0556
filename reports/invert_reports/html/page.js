"use strict";
// The page works without this script: it adds choosing, comparing, sorting and copying.
// Text goes in by textContent alone, so that no name can become markup.

const byId = (id) => document.getElementById(id);
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const data = JSON.parse(byId("data").textContent);
const pictures = new Map(Object.entries(data.pictures));
for (const image of all("img[data-picture]")) pictures.set(image.dataset.picture, image.src);

for (const image of all("img[data-again]")) {
  Object.assign(image, { src: pictures.get(image.dataset.again), hidden: false });
}

const SVG = "http://www.w3.org/2000/svg";

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

function drawn(tag, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

function picture(key, alt, attributes = {}) {
  return element("img", { src: pictures.get(key), alt, ...attributes });
}

function announce(text) {
  byId("announce").textContent = text;
}

/* Theme */

const dark = matchMedia("(prefers-color-scheme: dark)");

function theme() {
  return document.documentElement.dataset.theme ?? (dark.matches ? "dark" : "light");
}

function showTheme() {
  byId("theme").textContent = theme() === "dark" ? "Light theme" : "Dark theme";
}

function remembered(write) {
  try {
    if (write) localStorage.setItem("invert-theme", write);
    return localStorage.getItem("invert-theme");
  } catch {
    return null; // a page opened from disk may have no storage
  }
}

if (["light", "dark"].includes(remembered())) document.documentElement.dataset.theme = remembered();
showTheme();
dark.addEventListener("change", showTheme);
byId("theme").addEventListener("click", () => {
  document.documentElement.dataset.theme = theme() === "dark" ? "light" : "dark";
  remembered(theme());
  showTheme();
});

/* The photo and the seed that the grid shows */

const chosen = {};

function runOf(cellKey, photo, seed) {
  const found = data.cells[cellKey].runs.filter((n) => data.runs[n].photo === photo);
  return found.find((n) => data.runs[n].seed === seed);
}

function fillCell(article, number) {
  const run = number === undefined ? null : data.runs[number];
  const image = article.querySelector(".open img");
  const note = article.querySelector(".note");
  image.hidden = !run?.picture;
  if (run?.picture) {
    image.src = pictures.get(run.picture);
    image.alt = run.alt;
  } else {
    image.removeAttribute("src");
    image.alt = "";
  }
  note.textContent = run ? run.note : "not run";
  note.hidden = !note.textContent;
  note.classList.toggle("failed", Boolean(run?.failed));
  article.querySelector(".open").disabled = !run;
  const caption = article.querySelector("[data-role=caption]");
  caption.replaceChildren(numbersList(run?.caption ?? [], "caption"));
}

function numbersList(entries, className = "facts-list") {
  const list = element("dl", { class: className });
  fillNumbers(list, entries);
  return list;
}

function fillNumbers(list, entries) {
  list.replaceChildren(
    ...entries.map(([title, value, hint = ""]) =>
      element("div", {}, element("dt", { title: hint }, title), element("dd", {}, value)),
    ),
  );
}

function showChosen(section) {
  const key = section.dataset.study;
  const { photo, seed } = chosen[key];
  const known = data.studies[key].photos[photo];
  for (const article of all("[data-cell]", section)) {
    fillCell(article, runOf(article.dataset.cell, known?.id ?? null, seed));
  }
  const original = section.querySelector("[data-role=original]");
  if (original && known?.key) {
    original.src = pictures.get(known.key);
    original.alt = `The original photo, ${known.name}, as the network sees it`;
  }
  const name = section.querySelector("[data-role=photo-name]");
  if (name && known) name.textContent = known.name;
  const top5 = section.querySelector("[data-role=top5]");
  if (top5 && known) top5.replaceChildren(...(known.top5 ?? []).map(classItem));
}

function classItem([name, , share]) {
  return element("li", {}, `${name} `, element("span", { class: "number" }, share));
}

for (const section of all("[data-study]")) {
  const study = data.studies[section.dataset.study];
  chosen[section.dataset.study] = { photo: 0, seed: study.seeds[0] };
  for (const thumb of all("[data-thumb]", section)) {
    const key = study.photos[thumb.dataset.thumb].key;
    if (key) Object.assign(thumb, { src: pictures.get(key), hidden: false });
  }
  section.addEventListener("change", ({ target }) => {
    const kind = target.name?.split("-")[1];
    if (kind !== "photo" && kind !== "seed") return;
    chosen[section.dataset.study][kind] = Number(target.value);
    showChosen(section);
    announce(`Showing ${kind} ${kind === "photo" ? study.photos[target.value].name : target.value}`);
  });
}

/* Looking closer: one run against its original */

const closer = byId("closer");
const stage = byId("stage");
let open = null; // { number, cell, frames, position }

const cellOfRun = new Map();
for (const [key, cell] of Object.entries(data.cells)) {
  for (const number of cell.runs) cellOfRun.set(number, key);
}

function look(number) {
  const run = data.runs[number];
  const cell = data.cells[cellOfRun.get(number)];
  const study = data.studies[cell.study];
  const original = study.photos.find((photo) => photo.id === run.photo);
  const frames = run.frames.map(([step, key]) => ({ step, key }));
  if (run.picture) frames.push({ step: null, key: run.picture });
  open = { number, cell, frames, position: frames.length - 1, original, run };

  byId("closer-title").textContent = cell.title;
  byId("closer-facts").textContent = run.facts.join(" · ");
  fillStage();
  fillSeeds();
  fillCurve();
  fillTop5();
  fillReal();
  fillEvidence();
  fillWords();
  if (!closer.open) {
    closer.showModal();
    byId("closer-title").focus();
  }
  closer.scrollTop = 0;
}

function fillStage() {
  const { run, cell, original, frames } = open;
  const comparable = Boolean(original?.key && run.picture);
  const inversion = byId("stage-inversion");
  const photo = byId("stage-original");
  photo.hidden = !comparable;
  if (comparable) {
    photo.src = pictures.get(original.key);
    photo.alt = `The original photo, ${original.name}`;
  }
  inversion.hidden = !run.picture;
  inversion.alt = run.alt;
  byId("stage-note").textContent = run.note;
  byId("stage-note").hidden = !run.note;
  byId("views").hidden = !comparable;
  const tiles = byId("views").querySelector("[value=tiles]");
  tiles.closest("label").hidden = !cell.tiles;
  if (!cell.tiles && tiles.checked) byId("views").querySelector("[value=slider]").checked = true;
  drawTiles(cell.tiles);
  byId("scrub-label").hidden = frames.length < 2;
  byId("scrub").max = Math.max(frames.length - 1, 0);
  byId("scrub").value = frames.length - 1;
  showFrame();
  showView();
  showSplit();
}

function showFrame() {
  const { frames, position, run } = open;
  const frame = frames[position];
  if (!frame) return;
  byId("stage-inversion").src = pictures.get(frame.key);
  const text = frame.step === null ? "kept (the best)" : `${frame.step} of ${run.steps}`;
  byId("scrub-step").textContent = text;
  byId("scrub").setAttribute("aria-valuetext", frame.step === null ? "the picture kept" : `step ${text}`);
  moveCursor(frame.step);
}

const VIEW_NOTES = {
  slider: "",
  beside: "",
  difference: "Absolute difference, three times as bright: black where the two agree.",
  tiles: "The inversion, covered where it does not show the photo; the number is the share kept there.",
};

function showView() {
  const comparable = !byId("views").hidden;
  const view = comparable ? byId("views").querySelector(":checked").value : "alone";
  stage.dataset.view = view;
  byId("split-label").hidden = view !== "slider";
  byId("view-note").textContent = VIEW_NOTES[view] ?? "";
  byId("view-note").hidden = !VIEW_NOTES[view];
}

function showSplit() {
  stage.style.setProperty("--split", `${byId("split").value}%`);
  byId("split").setAttribute("aria-valuetext", `original up to ${byId("split").value} percent of the width`);
}

function drawTiles(tiles) {
  const map = byId("stage-tiles");
  map.replaceChildren();
  if (!tiles) return;
  const rows = tiles.length;
  const columns = tiles[0].length;
  map.setAttribute("viewBox", `0 0 ${columns * 40} ${rows * 40}`);
  map.setAttribute("preserveAspectRatio", "none");
  tiles.forEach((row, y) =>
    row.forEach((share, x) => {
      const cover = 1 - Math.min(Math.max(share ?? 0, 0), 1);
      map.append(
        drawn("rect", { x: x * 40, y: y * 40, width: 40, height: 40, class: "cover", "fill-opacity": 0.9 * cover }),
        drawn("text", { x: x * 40 + 20, y: y * 40 + 24, "text-anchor": "middle", class: "tile" },
          share === null ? "–" : String(Math.round(100 * share))),
      );
    }),
  );
}

function fillSeeds() {
  const { cell, run, number } = open;
  const runs = cell.runs.filter((n) => data.runs[n].photo === run.photo);
  byId("seeds-part").hidden = runs.length < 2;
  const strip = byId("seeds-list");
  strip.replaceChildren();
  for (const n of runs) {
    const other = data.runs[n];
    const button = element("button", { type: "button", class: "thumb", "aria-pressed": String(n === number) });
    if (other.picture) button.append(picture(other.picture, other.alt));
    else button.append(element("span", { class: "note" }, other.note));
    const told = other.caption.map(([title, value]) => `${title} ${value}`)[0] ?? "";
    button.append(element("span", {}, `seed ${other.seed}`), element("small", {}, told));
    button.addEventListener("click", () => {
      look(n);
      byId("seeds-list").querySelector("[aria-pressed=true]")?.focus();
    });
    strip.append(button);
  }
  const map = cell.agreement[String(run.photo)];
  if (map) {
    strip.append(
      element("figure", { class: "thumb" },
        picture(map, `Agreement map of ${cell.title}: light where the seeds agree, dark where they differ`),
        element("figcaption", {}, "agreement", element("small", {}, "light: seeds agree; dark: they differ"))),
    );
  }
}

function fillTop5() {
  const { run, original } = open;
  const columns = [["Original", original?.top5], ["Inversion", run.top5]].filter(([, top5]) => top5?.length);
  byId("top5-part").hidden = columns.length === 0;
  const seen = new Set((original?.top5 ?? []).map(([name]) => name));
  byId("top5-tables").replaceChildren(
    ...columns.map(([title, top5]) => {
      const rows = top5.map(([name, share, text]) => {
        const bar = drawn("svg", { viewBox: "0 0 100 6", preserveAspectRatio: "none", class: "bar", "aria-hidden": "true" },
          drawn("rect", { class: "kept", width: 100 * (share ?? 0), height: 6 }));
        const label = title !== "Original" && seen.has(name) ? element("b", {}, name) : name;
        return element("tr", {}, element("th", { scope: "row" }, label),
          element("td", { class: "number" }, text), element("td", {}, bar));
      });
      const caption = original ? title : "Top 5 for the picture";
      return element("table", { class: "classes" }, element("caption", {}, caption), element("tbody", {}, ...rows));
    }),
  );
}

function fillEvidence() {
  const { run, cell } = open;
  const [original, inversion] = run.evidence;
  byId("evidence-part").hidden = !original && !inversion;
  const figures = [["original", original], ["inversion", inversion]].filter(([, key]) => key);
  byId("evidence").replaceChildren(
    ...figures.map(([name, key]) =>
      element("figure", { class: "thumb large" },
        picture(key, `Where the evidence for ${cell.title} comes from in the ${name}`), element("figcaption", {}, name))),
  );
}

function fillReal() {
  const { highest, lowest } = open.run.real;
  byId("real-part").hidden = highest.length + lowest.length === 0;
  const figure = ([key, name, score]) =>
    element("figure", { class: "thumb" }, picture(key, name), element("figcaption", {}, name, element("small", {}, score)));
  byId("real").replaceChildren(...[...highest, ...lowest].map(figure));
}

function fillWords() {
  const { run, cell } = open;
  fillNumbers(byId("run-numbers"), run.numbers);
  byId("numbers-part").hidden = run.numbers.length === 0;
  fillNumbers(byId("sums"), cell.numbers);
  byId("sums-reading").textContent = cell.reading;
  byId("facets").replaceChildren(...(cell.facets ? [matrix(cell.facets)] : []));
  byId("sums-part").hidden = cell.numbers.length === 0 && !cell.reading && !cell.facets;
  fillNumbers(byId("settings"), run.settings);
  byId("settings-part").hidden = run.settings.length === 0;
  byId("command").textContent = run.command;
  byId("command-part").hidden = !run.command;
}

function matrix({ heads, rows }) {
  const head = element("tr", {}, ...heads.map((text) => element("th", { scope: "col" }, text)));
  const body = rows.map(([facet, ...values]) =>
    element("tr", {}, element("th", { scope: "row" }, facet),
      ...values.map((text) => element("td", { class: "number" }, text))));
  return element("table", { class: "matrix" }, element("thead", {}, head), element("tbody", {}, ...body));
}

/* The curve of the loss's terms, logarithmic */

const CURVE = { width: 560, height: 210, left: 52, right: 74, top: 10, bottom: 30 };
let cursor = null;

function fillCurve() {
  const { trace } = open.run;
  const names = Object.keys(trace ?? {}).filter((name) => name !== "step" && trace[name].some((value) => value > 0));
  byId("curve-part").hidden = names.length === 0;
  byId("curve").replaceChildren();
  cursor = null;
  if (names.length === 0) return;

  const { width, height, left, right, top, bottom } = CURVE;
  const values = names.flatMap((name) => trace[name].filter((value) => value > 0));
  const low = Math.floor(Math.log10(Math.min(...values)));
  const high = Math.max(Math.ceil(Math.log10(Math.max(...values))), low + 1);
  const last = Math.max(trace.step.at(-1), 1);
  const x = (step) => left + ((width - left - right) * step) / last;
  const y = (value) => top + ((height - top - bottom) * (high - Math.log10(value))) / (high - low);

  const label = `Terms of the loss over ${last} steps, logarithmic. ` +
    names.map((name) => `${name} from ${trace[name][0]} to ${trace[name].at(-1)}`).join("; ");
  const chart = drawn("svg", { viewBox: `0 0 ${width} ${height}`, class: "curve", role: "img", "aria-label": label });
  const stride = Math.max(1, Math.ceil((high - low) / 5));
  for (let power = low; power <= high; power += stride) {
    chart.append(
      drawn("line", { class: "grid", x1: left, x2: width - right, y1: y(10 ** power), y2: y(10 ** power) }),
      drawn("text", { class: "tick", x: left - 6, y: y(10 ** power) + 4, "text-anchor": "end" }, tick(power)),
    );
  }
  for (const step of [0, last / 2, last]) {
    chart.append(drawn("text", { class: "tick", x: x(step), y: height - 10, "text-anchor": "middle" },
      step === last ? `${last} steps` : String(Math.round(step))));
  }
  const ends = [];
  names.forEach((name, n) => {
    chart.append(drawn("path", { class: `line s${n}`, d: path(trace.step, trace[name], x, y) }));
    const end = trace[name].findLast((value) => value > 0);
    let at = y(end) + 4;
    while (ends.some((taken) => Math.abs(taken - at) < 12)) at -= 12;
    ends.push(at);
    chart.append(drawn("text", { class: `tick name s${n}`, x: width - right + 6, y: at }, name));
  });
  cursor = drawn("line", { class: "cursor", y1: top, y2: height - bottom, visibility: "hidden" });
  cursor.at = x;
  chart.append(cursor);
  byId("curve").append(chart);
  showFrame();
}

function path(steps, values, x, y) {
  let d = "";
  let pen = "M";
  steps.forEach((step, n) => {
    const value = values[n];
    d += value > 0 ? `${pen}${x(step).toFixed(1)} ${y(value).toFixed(1)}` : "";
    pen = value > 0 ? "L" : "M";
  });
  return d;
}

function tick(power) {
  return power >= -3 && power <= 4 ? String(Number((10 ** power).toPrecision(1))) : `1e${power}`.replace("-", "−");
}

function moveCursor(step) {
  if (!cursor) return;
  cursor.setAttribute("visibility", step === null ? "hidden" : "visible");
  if (step === null) return;
  cursor.setAttribute("x1", cursor.at(step));
  cursor.setAttribute("x2", cursor.at(step));
}

/* Opening, moving on, closing */

function numberOf(button) {
  if (button.dataset.run !== undefined) return Number(button.dataset.run);
  const { study } = data.cells[button.dataset.opens];
  const { photo, seed } = chosen[study];
  return runOf(button.dataset.opens, data.studies[study].photos[photo]?.id ?? null, seed);
}

function moveOn(by) {
  const here = cellOfRun.get(open.number);
  const opener = all("[data-opens], .gallery [data-run]");
  const numbers = opener.map(numberOf);
  let at = numbers.indexOf(open.number);
  if (at < 0) at = opener.findIndex((button) => button.dataset.opens === here);
  for (let n = at + by; n >= 0 && n < numbers.length; n += by) {
    if (numbers[n] !== undefined) return look(numbers[n]);
  }
}

document.addEventListener("click", ({ target }) => {
  const opener = target.closest?.("[data-opens], [data-run]");
  if (opener) {
    const number = numberOf(opener);
    if (number !== undefined) look(number);
  }
  const copier = target.closest?.("[data-copy]");
  if (copier) copy(copier);
  if (target === closer) closer.close(); // the backdrop
});
byId("close").addEventListener("click", () => closer.close());
byId("previous").addEventListener("click", () => moveOn(-1));
byId("next").addEventListener("click", () => moveOn(1));
byId("views").addEventListener("change", showView);
byId("split").addEventListener("input", showSplit);
byId("scrub").addEventListener("input", () => {
  open.position = Number(byId("scrub").value);
  showFrame();
});

function dragSplit(event) {
  if (stage.dataset.view !== "slider" || !(event.buttons & 1)) return;
  const box = stage.getBoundingClientRect();
  byId("split").value = Math.round((100 * (event.clientX - box.left)) / box.width);
  showSplit();
}
stage.addEventListener("pointerdown", (event) => {
  if (stage.dataset.view === "slider") stage.setPointerCapture(event.pointerId);
  dragSplit(event);
});
stage.addEventListener("pointermove", dragSplit);

/* Copying a command */

async function copy(button) {
  const text = button.parentElement.querySelector("code").textContent;
  let done = true;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = element("textarea", { class: "unseen" });
    area.value = text;
    button.parentElement.append(area);
    area.select();
    done = document.execCommand("copy");
    area.remove();
    button.focus();
  }
  button.textContent = done ? "Copied" : "Select and copy";
  announce(done ? "Command copied" : "Copying is not allowed here");
  setTimeout(() => (button.textContent = "Copy"), 2000);
}

/* Tables */

for (const table of all("table[data-sortable]")) {
  all("thead th", table).forEach((head, column) => {
    head.querySelector("button").addEventListener("click", () => sort(table, head, column));
  });
}

function sort(table, head, column) {
  const direction = head.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
  for (const other of all("th[aria-sort]", table)) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", direction);
  const sign = direction === "ascending" ? 1 : -1;
  const keyed = all("tbody tr", table).map((row) => {
    const cell = row.cells[column];
    const numeric = cell.classList.contains("number");
    return { row, key: numeric ? (cell.dataset.key === undefined ? null : Number(cell.dataset.key)) : cell.textContent };
  });
  keyed.sort((a, b) => {
    if (a.key === null || b.key === null) return (a.key === null) - (b.key === null);
    if (typeof a.key === "number" && typeof b.key === "number") return sign * (a.key - b.key);
    return sign * String(a.key).localeCompare(String(b.key), undefined, { numeric: true });
  });
  table.tBodies[0].append(...keyed.map(({ row }) => row));
  announce(`Sorted by ${head.textContent}, ${direction}`);
}

byId("group")?.addEventListener("change", ({ target }) => {
  for (const cell of all("[data-group]")) cell.hidden = cell.dataset.group !== target.value;
});
