"use strict";
// Light or dark, as the system says or as this visitor chose. Runs before the first paint, so it is no module.
{
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  root.dataset.theme = localStorage.getItem("theme") ?? "system";

  addEventListener("DOMContentLoaded", () => {
    document.getElementById("theme").addEventListener("click", () => {
      const shown = root.dataset.theme === "system" ? (system.matches ? "dark" : "light") : root.dataset.theme;
      root.dataset.theme = shown === "dark" ? "light" : "dark";
      localStorage.setItem("theme", root.dataset.theme);
    });
  });
}
