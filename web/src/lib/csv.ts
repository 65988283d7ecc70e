/** Results as CSV (RFC 4180). */

import type { Result } from "../api/results";
import { seriesName, allLabels } from "./labels";

/**
 * Returns a cell. Spreadsheets run texts that begin with some characters as formulas, and label values are not
 * ours, so these texts get an apostrophe (OWASP, "CSV Injection"). Where the decimal separator is a comma, a
 * semicolon separates cells, and quotes within a line do not keep it or a line's end from beginning another cell.
 */
function textCell(text: string): string {
  const safe = text.replace(/(^|[;\r\n])(?=[=+\-@\t\r])/g, "$1'");
  return /[",\r\n]/.test(safe) ? `"${safe.replace(/"/g, '""')}"` : safe;
}

function lines(rows: readonly (readonly string[])[]): string {
  return rows.map((row) => `${row.join(",")}\r\n`).join("");
}

const isoTime = (time: number) => new Date(time * 1000).toISOString();

/** Returns a matrix with a column for each series, other results with a column for each label. */
export function toCsv(result: Result): string {
  if (result.kind === "matrix") {
    const times = [...new Set(result.series.flatMap((series) => series.times))].sort((a, b) => a - b);
    const columns = result.series.map((series) => new Map(series.times.map((time, at) => [time, series.texts[at] ?? ""])));
    const head = ["time", ...result.series.map((series) => textCell(seriesName(series.labels)))];
    return lines([head, ...times.map((time) => [isoTime(time), ...columns.map((column) => column.get(time) ?? "")])]);
  }
  if (result.kind === "vector") {
    const labels = allLabels(result.samples.map((sample) => sample.labels));
    const rows = result.samples.map((sample) => [
      ...labels.map((label) => textCell(sample.labels[label] ?? "")),
      isoTime(sample.time),
      sample.text,
    ]);
    return lines([[...labels.map(textCell), "time", "value"], ...rows]);
  }
  const value = result.kind === "string" ? textCell(result.text) : result.text;
  return lines([["time", "value"], [isoTime(result.time), value]]);
}
