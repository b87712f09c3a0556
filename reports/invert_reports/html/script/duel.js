// Two of a picture's versions under one slider; which two is chosen, and the rest stays in sight.

for (const duel of all("[data-duel]")) {
  const figures = all("figure", duel).filter((figure) => figure.querySelector("img"));
  if (figures.length < 2) continue;
  const arena = duel.querySelector(".arena");
  const blade = duel.querySelector(".blade");
  const range = arena.querySelector("input");
  const chosen = {};

  function show(side, figure) {
    chosen[side] = figure;
    const image = figure.querySelector("img");
    Object.assign(blade.querySelector(`[data-side=${side}]`), { src: image.src, alt: image.alt });
    arena.querySelector(`[data-choose=${side}]`).value = String(figures.indexOf(figure));
    arena.querySelector(`[data-told=${side}]`).textContent = figure.dataset.name;
    for (const each of figures) each.classList.toggle("chosen", Object.values(chosen).includes(each));
  }

  function divide() {
    blade.style.setProperty("--split", `${range.value}%`);
    range.setAttribute("aria-valuetext", `${chosen.left.dataset.name} up to ${range.value} percent of the width`);
  }

  for (const side of ["left", "right"]) {
    const select = arena.querySelector(`[data-choose=${side}]`);
    figures.forEach((figure, n) => {
      const option = element("option", { value: n });
      option.textContent = figure.dataset.name;
      select.append(option);
    });
    select.addEventListener("change", () => show(side, figures[Number(select.value)]));
  }
  const first = (kind) => figures.find((figure) => figure.dataset.kind === kind);
  show("left", first("observed") ?? figures[0]);
  show("right", first("restored") ?? figures[1]);
  arena.hidden = false;
  divide();
  range.addEventListener("input", divide);
  for (const figure of figures) figure.addEventListener("click", () => show("right", figure));

  function drag(event) {
    if (!(event.buttons & 1)) return;
    const box = blade.getBoundingClientRect();
    range.value = Math.round((100 * (event.clientX - box.left)) / box.width);
    divide();
  }
  blade.addEventListener("pointerdown", (event) => {
    blade.setPointerCapture(event.pointerId);
    drag(event);
  });
  blade.addEventListener("pointermove", drag);
}

document.addEventListener("click", ({ target }) => {
  const copier = target.closest?.("[data-copy]");
  if (copier) copy(copier);
});
