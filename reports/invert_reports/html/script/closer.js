// Looking closer: one run against its original; opening, moving on, closing.

const closer = byId("closer");
const stage = byId("stage");
let open = null; // { number, crossing, frames, position }

const crossingOfRun = new Map();
for (const [key, crossing] of Object.entries(data.crossings)) {
  for (const number of crossing.runs) crossingOfRun.set(number, key);
}

function look(number) {
  const run = data.runs[number];
  const crossing = data.crossings[crossingOfRun.get(number)];
  const study = data.studies[crossing.study];
  const original = study.photos.find((photo) => photo.id === run.photo);
  const frames = run.frames.map(([step, key]) => ({ step, key }));
  if (run.picture) frames.push({ step: null, key: run.picture });
  open = { number, crossing, frames, position: frames.length - 1, original, run };

  byId("closer-title").textContent = crossing.title;
  byId("closer-facts").textContent = run.facts.join(" · ");
  fillStage();
  fillSeeds();
  fillCurve();
  fillTop5();
  fillReal();
  fillAttributions();
  fillWords();
  if (!closer.open) {
    closer.showModal();
    byId("closer-title").focus();
  }
  closer.scrollTop = 0;
}

function numberOf(button) {
  if (button.dataset.run !== undefined) return Number(button.dataset.run);
  const { study } = data.crossings[button.dataset.opens];
  const { photo, seed } = chosen[study];
  return runOf(button.dataset.opens, data.studies[study].photos[photo]?.id ?? null, seed);
}

function moveOn(by) {
  const here = crossingOfRun.get(open.number);
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
closer.addEventListener("keydown", (event) => {
  const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  // Sliders, choices and what scrolls sideways have arrow keys of their own.
  if (!by || event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, pre, #facets")) return;
  event.preventDefault();
  moveOn(by);
});
byId("close").addEventListener("click", () => closer.close());
byId("previous").addEventListener("click", () => moveOn(-1));
byId("next").addEventListener("click", () => moveOn(1));
