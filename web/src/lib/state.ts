/** The state of the page as the fragment of its address, so that a link restores it and no log has it. */

import { formatDuration, parseDuration } from "./time";
import type { Resolution } from "./step";

export type View = "graph" | "table";

export interface Panel {
  query: string;
  view: View;
  stacked: boolean;
  /** Keys of hidden series. */
  hidden: string[];
  /** Keys of the only series that are shown; empty if all but the hidden ones are. */
  shown: string[];
  /** Whether "what was sent" is open. */
  sent: boolean;
}

export interface Explore {
  /** Seconds. */
  range: number;
  /** The end of the range; null for now. */
  end: number | null;
  /** A fixed step in seconds; null for one that fits the width. */
  step: number | null;
  resolution: Resolution;
  /** Seconds between refreshes; 0 for none. */
  refresh: number;
  panels: Panel[];
}

export interface Route {
  page: string;
  parameters: URLSearchParams;
}

export const MAX_PANELS = 20;
const MAX_KEYS = 200;
const MAX_RANGE = 100 * 365 * 86_400;

export function emptyPanel(query = ""): Panel {
  return { query, view: "graph", stacked: false, hidden: [], shown: [], sent: false };
}

export function defaultExplore(): Explore {
  return { range: 3600, end: null, step: null, resolution: "medium", refresh: 0, panels: [emptyPanel()] };
}

/** Returns page and parameters of `#/explore?q=up`. */
export function parseRoute(fragment: string): Route {
  const match = /^#?\/?([^?]*)(?:\?(.*))?$/s.exec(fragment);
  return { page: match?.[1] ?? "", parameters: new URLSearchParams(match?.[2] ?? "") };
}

/** Returns the fragment of a page. */
export function formatRoute(page: string, parameters: URLSearchParams = new URLSearchParams()): string {
  const text = parameters.toString();
  return `#/${page}${text ? `?${text}` : ""}`;
}

function duration(text: string | null, otherwise: number): number {
  const seconds = text === null ? null : parseDuration(text);
  return seconds === null || seconds > MAX_RANGE ? otherwise : seconds;
}

/** Returns the state of Explore. Whatever is missing or wrong gets its default. */
export function parseExplore(parameters: URLSearchParams): Explore {
  const keys = (name: string) => (parameters.get(name) ?? "").split(",").filter((key) => /^[0-9a-z]{1,7}$/.test(key));
  const state = defaultExplore();
  const panels: Panel[] = [];
  for (let index = 0; index < MAX_PANELS; index++) {
    const query = parameters.get(`q${index}`);
    if (query === null) break;
    panels.push({
      query,
      view: parameters.get(`view${index}`) === "table" ? "table" : "graph",
      stacked: parameters.get(`stacked${index}`) === "1",
      sent: parameters.get(`sent${index}`) === "1",
      hidden: keys(`hidden${index}`),
      shown: keys(`shown${index}`),
    });
  }
  const end = Number(parameters.get("end") ?? NaN);
  const resolution = parameters.get("res");
  const step = parameters.get("step");
  return {
    range: Math.max(10, duration(parameters.get("range"), state.range)),
    end: Number.isFinite(end) && end > 0 && end < 1e11 ? end : null,
    step: step === null ? null : duration(step, 0) || null,
    resolution: resolution === "low" || resolution === "high" ? resolution : "medium",
    refresh: Math.max(0, duration(parameters.get("refresh"), 0)),
    panels: panels.length > 0 ? panels : state.panels,
  };
}

/** Returns the parameters that `parseExplore` reads; defaults are left out. */
export function formatExplore(state: Explore): URLSearchParams {
  const parameters = new URLSearchParams();
  parameters.set("range", formatDuration(state.range));
  if (state.end !== null) parameters.set("end", String(Math.round(state.end)));
  if (state.step !== null) parameters.set("step", formatDuration(state.step));
  if (state.resolution !== "medium") parameters.set("res", state.resolution);
  if (state.refresh > 0) parameters.set("refresh", formatDuration(state.refresh));
  state.panels.forEach((panel, index) => {
    parameters.set(`q${index}`, panel.query);
    if (panel.view !== "graph") parameters.set(`view${index}`, panel.view);
    if (panel.stacked) parameters.set(`stacked${index}`, "1");
    if (panel.sent) parameters.set(`sent${index}`, "1");
    for (const list of ["hidden", "shown"] as const) {
      if (panel[list].length > 0) parameters.set(`${list}${index}`, panel[list].slice(0, MAX_KEYS).join(","));
    }
  });
  return parameters;
}

/** Returns a link to Explore with a panel for each query. */
export function exploreLink(queries: readonly string[], range = 3600, more = new URLSearchParams()): string {
  const parameters = formatExplore({ ...defaultExplore(), range, panels: queries.map((query) => emptyPanel(query)) });
  return formatRoute("explore", new URLSearchParams([...parameters, ...more]));
}
