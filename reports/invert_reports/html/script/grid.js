// The photo and the seed that the grid shows.

const chosen = {};

function runOf(crossingKey, photo, seed) {
  const found = data.crossings[crossingKey].runs.filter((n) => data.runs[n].photo === photo);
  return found.find((n) => data.runs[n].seed === seed);
}

function fillCrossing(article, number) {
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
  for (const article of all("[data-crossing]", section)) {
    fillCrossing(article, runOf(article.dataset.crossing, known?.id ?? null, seed));
    for (const bars of all("[data-bars]", article)) {
      bars.hidden = bars.dataset.bars !== "" && bars.dataset.bars !== known?.id;
    }
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
