/** Numbers and texts for reading. */

export type Unit = "number" | "bytes" | "bytes_per_second" | "percent" | "seconds" | "cores";

const SI = ["", "k", "M", "G", "T", "P", "E"];
const SMALL = ["", "m", "µ", "n", "p"];
const IEC = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
const MINUS = "\u2212";

function digits(value: number): string {
  const absolute = Math.abs(value);
  const places = absolute >= 100 ? 0 : absolute >= 10 ? 1 : 2;
  return value.toFixed(places).replace(/\.(\d*?)0+$/, (_, kept: string) => (kept ? `.${kept}` : ""));
}

function special(value: number): string | null {
  if (Number.isNaN(value)) return "NaN";
  if (value === Infinity) return "+Inf";
  if (value === -Infinity) return `${MINUS}Inf`;
  return null;
}

/** Returns the index of a prefix so that the rounded number stays below `base`. */
function scale(absolute: number, base: number, count: number): number {
  let index = 0;
  for (let rest = absolute; index < count - 1 && Number(digits(rest)) >= base; rest /= base) index++;
  return index;
}

/** Returns a number with three digits and an SI prefix: `1.23k`, `45m`, `0`. */
export function formatNumber(value: number): string {
  const odd = special(value);
  if (odd !== null) return odd;
  if (value === 0) return "0";
  const absolute = Math.abs(value);
  const sign = value < 0 ? MINUS : "";
  if (absolute >= 1e21 || absolute < 1e-12) return value.toExponential(2).replace("-", MINUS);
  if (absolute >= 0.01) {
    const index = scale(absolute, 1000, SI.length);
    return `${sign}${digits(absolute / 1000 ** index)}${SI[index] ?? ""}`;
  }
  let index = 0;
  let rest = absolute;
  while (rest < 1 && index < SMALL.length - 1) {
    rest *= 1000;
    index++;
  }
  return `${sign}${digits(rest)}${SMALL[index] ?? ""}`;
}

/** Returns bytes with a binary prefix. */
export function formatBytes(value: number): string {
  const odd = special(value);
  if (odd !== null) return odd;
  const absolute = Math.abs(value);
  const index = scale(absolute, 1024, IEC.length);
  const text = index === 0 ? String(Math.round(absolute)) : digits(absolute / 1024 ** index);
  return `${value < 0 ? MINUS : ""}${text} ${IEC[index] ?? ""}`;
}

/** Returns a value with its unit. `percent` takes a fraction. */
export function formatValue(value: number, unit: Unit): string {
  switch (unit) {
    case "bytes":
      return formatBytes(value);
    case "bytes_per_second":
      return special(value) ?? `${formatBytes(value)}/s`;
    case "percent":
      return special(value) ?? `${digits(value * 100).replace("-", MINUS)} %`;
    case "seconds":
      return special(value) ?? `${formatNumber(value)} s`;
    case "cores":
    case "number":
      return formatNumber(value);
  }
}

/** Returns an integer with thin spaces between thousands. */
export function formatCount(value: number): string {
  return Math.round(value)
    .toString()
    .replace(/\B(?=(\d{3})+$)/g, "\u202f");
}

const MAX_TEXT = 300;

/**
 * Returns a text from outside as it can be shown safely: control and direction characters as escapes, since they
 * could make a text look like another, and at most 300 characters.
 */
export function visible(text: string, limit = MAX_TEXT): string {
  const cut = text.length > limit ? `${Array.from(text.slice(0, limit + 1)).slice(0, -1).join("")}…` : text;
  return cut.replace(
    /[\u0000-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** Returns the English word for a count: `plural(2, "server")` is "2 servers". */
export function plural(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 || noun.endsWith("series") ? "" : "s"}`;
}
