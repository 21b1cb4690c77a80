// Light or dark: as the system has it, unless it was chosen here.
const KEY = "spanlake.theme";
const dark = matchMedia("(prefers-color-scheme: dark)");

export function theme(): "light" | "dark" {
  const chosen = localStorage.getItem(KEY);
  if (chosen === "light" || chosen === "dark") return chosen;
  return dark.matches ? "dark" : "light";
}

export function applyTheme(): void {
  document.documentElement.dataset["theme"] = theme();
  window.dispatchEvent(new Event("spanlake-theme"));
}

export function toggleTheme(): void {
  localStorage.setItem(KEY, theme() === "dark" ? "light" : "dark");
  applyTheme();
}

export function color(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

dark.addEventListener("change", applyTheme);
