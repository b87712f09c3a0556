// Light or dark.

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
