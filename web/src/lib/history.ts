/** Queries that a user has run, kept in this browser. */

import { load, save } from "./storage";

const MAX_ENTRIES = 200;
const MAX_QUERY = 4000;

export interface Entry {
  query: string;
  time: number;
}

function key(user: string): string {
  return `history.${user}`;
}

/** Returns a user's queries, the newest first. */
export function readHistory(user: string): Entry[] {
  const kept = load(key(user));
  if (!Array.isArray(kept)) return [];
  return kept.filter(
    (item: unknown): item is Entry =>
      typeof item === "object" &&
      item !== null &&
      "query" in item &&
      typeof item.query === "string" &&
      "time" in item &&
      typeof item.time === "number",
  );
}

/** Puts a query first. */
export function remember(user: string, query: string, time: number): void {
  if (!query.trim() || query.length > MAX_QUERY) return;
  const others = readHistory(user).filter((entry) => entry.query !== query);
  save(key(user), [{ query, time: Math.round(time) }, ...others].slice(0, MAX_ENTRIES));
}

/** Forgets all queries of a user. */
export function clearHistory(user: string): void {
  save(key(user), []);
}
