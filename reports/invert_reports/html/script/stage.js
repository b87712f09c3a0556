// The comparison of a run with its original: slider, side by side, difference, tiles; and its snapshots.

function fillStage() {
  const { run, crossing, original, frames } = open;
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
  const kept = (crossing.byPhoto[run.photo] ?? crossing).tiles;
  tiles.closest("label").hidden = !kept;
  if (!kept && tiles.checked) byId("views").querySelector("[value=slider]").checked = true;
  drawTiles(kept);
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
          share === null ? "–" : String(Math.round(100 * (1 - cover)))),
      );
    }),
  );
}

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
