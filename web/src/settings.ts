/** The reader's preferences, kept in this browser. */

import { load, save } from "./lib/storage";
import { createStore } from "./lib/store";
import type { Zone } from "./lib/time";

export type Theme = "auto" | "light" | "dark";

export interface Settings {
  theme: Theme;
  zone: Zone;
}

function restore(): Settings {
  const kept = load("settings") as Partial<Settings> | null;
  return {
    theme: kept?.theme === "light" || kept?.theme === "dark" ? kept.theme : "auto",
    zone: kept?.zone === "utc" ? "utc" : "local",
  };
}

export const settings = createStore<Settings>(restore());

const darkSystem = typeof matchMedia === "undefined" ? null : matchMedia("(prefers-color-scheme: dark)");

/** Whether the page is dark now. */
export const dark = createStore(false);

function apply(): void {
  const { theme } = settings.get();
  document.documentElement.dataset["theme"] = theme;
  dark.set(theme === "auto" ? (darkSystem?.matches ?? false) : theme === "dark");
}

/** Applies the preferences now and whenever they change. */
export function applySettings(): void {
  apply();
  settings.subscribe(apply);
  darkSystem?.addEventListener("change", apply);
}

/** Changes preferences. */
export function change(next: Partial<Settings>): void {
  const all = { ...settings.get(), ...next };
  save("settings", all);
  settings.set(all);
}
