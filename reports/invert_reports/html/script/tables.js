// Sorting tables, and choosing what the facets' columns show.

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
