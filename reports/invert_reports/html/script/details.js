// What is told of a run beside the comparison.

function fillSeeds() {
  const { crossing, run, number } = open;
  const runs = crossing.runs.filter((n) => data.runs[n].photo === run.photo);
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
  const map = crossing.agreement[String(run.photo)];
  if (map) {
    strip.append(
      element("figure", { class: "thumb" },
        picture(map, `Agreement map of ${crossing.title}: light where the seeds agree, dark where they differ`),
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

function fillAttributions() {
  const { run, crossing } = open;
  const [original, inversion] = run.attributions;
  byId("attributions-part").hidden = !original && !inversion;
  const figures = [["original", original], ["inversion", inversion]].filter(([, key]) => key);
  byId("attributions").replaceChildren(
    ...figures.map(([name, key]) =>
      element("figure", { class: "thumb large" },
        picture(key, `Where ${crossing.title} finds the class in the ${name}`), element("figcaption", {}, name))),
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
  const { run, crossing } = open;
  fillNumbers(byId("run-numbers"), run.numbers);
  byId("numbers-part").hidden = run.numbers.length === 0;
  fillNumbers(byId("sums"), crossing.numbers);
  const own = crossing.byPhoto[run.photo] ?? crossing;
  byId("sums-reading").textContent = own.reading;
  byId("facets").replaceChildren(...(own.facets ? [matrix(own.facets)] : []));
  const pooled = own !== crossing && crossing.pooled;
  byId("pooled-reading").textContent = pooled ? `Pooled over ${crossing.pooled}: ${crossing.reading}` : "";
  byId("pooled-facets").replaceChildren(...(pooled && crossing.facets ? [matrix(crossing.facets)] : []));
  byId("sums-part").hidden = crossing.numbers.length === 0 && !crossing.reading && !crossing.facets;
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
