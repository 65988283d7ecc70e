/** Positions in error messages of the gateway. */

export interface Problem {
  from: number;
  to: number;
  reason: string;
}

/**
 * Returns where a message says that a query is wrong: it begins with `LINE:COLUMN: reason`, counted in characters
 * from 1, and may end with an excerpt whose carets are as many as the wrong characters. Null if it has no position.
 */
export function parseProblem(message: string, query: string): Problem | null {
  const match = /(?:^|\s)(\d+):(\d+): ([^\n]*)/.exec(message);
  if (match === null) return null;
  const line = Number(match[1]);
  const column = Number(match[2]);
  const lines = query.split("\n");
  const text = lines[line - 1];
  if (text === undefined) return null;
  // The gateway counts characters, JavaScript and CodeMirror count UTF-16 units.
  const units = (characters: number) => Array.from(text).slice(0, characters).join("").length;
  const carets = /\n *(\^+)\s*$/.exec(message)?.[1]?.length ?? 1;
  const start = lines.slice(0, line - 1).reduce((sum, before) => sum + before.length + 1, 0);
  const from = Math.min(start + units(column - 1), query.length);
  const to = Math.min(start + units(column - 1 + carets), start + text.length);
  return { from, to: Math.max(from, to), reason: match[3] ?? "" };
}
