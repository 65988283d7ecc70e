/** Numbers and texts for reading. */

export type Unit = "number" | "bytes" | "bytes_per_second" | "percent" | "seconds" | "cores";

interface Scale {
  size: number;
  suffix: string;
}

/** Returns scales of which each is `base` times the one before. */
function powers(base: number, first: number, suffixes: readonly string[]): Scale[] {
  return suffixes.map((suffix, index) => ({ size: base ** (first + index), suffix }));
}

const NUMBERS = powers(1000, 0, ["", "k", "M", "G", "T", "P", "E"]);
const SMALL = powers(1000, -4, ["p", "n", "µ", "m"]);
const BYTES = powers(1024, 0, [" B", " KiB", " MiB", " GiB", " TiB", " PiB", " EiB"]);
const SCALES: Readonly<Record<Unit, readonly Scale[]>> = {
  number: NUMBERS,
  cores: NUMBERS,
  bytes: BYTES,
  bytes_per_second: BYTES.map(({ size, suffix }) => ({ size, suffix: `${suffix}/s` })),
  percent: [{ size: 0.01, suffix: " %" }],
  seconds: [
    ...powers(1000, -2, [" µs", " ms", " s"]),
    { size: 60, suffix: " min" },
    { size: 3600, suffix: " h" },
    { size: 86_400, suffix: " d" },
  ],
};
const MINUS = "\u2212";

function digits(value: number): string {
  const places = value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return value.toFixed(places).replace(/\.(\d*?)0+$/, (_, kept: string) => (kept ? `.${kept}` : ""));
}

/** Returns the scale in which a value has the fewest digits before the point, at least one. */
export function scaleOf(value: number, unit: Unit): Scale {
  const absolute = Math.abs(value);
  const scales = SCALES[unit] === NUMBERS && absolute > 0 && absolute < 0.01 ? SMALL : SCALES[unit];
  const found = scales.find(({ size }, index) => {
    const next = scales[index + 1];
    return next === undefined || Number(digits(absolute / size)) < next.size / size;
  });
  return found ?? { size: 1, suffix: "" };
}

/** Returns a value with three digits and its unit: `1.23k`, `45m`, `1.5 GiB`. `percent` takes a fraction. */
export function formatValue(value: number, unit: Unit): string {
  if (Number.isNaN(value)) return "NaN";
  const sign = value < 0 ? MINUS : "";
  const absolute = Math.abs(value);
  if (absolute === Infinity) return `${sign || "+"}Inf`;
  if (absolute >= 1e21 || (absolute > 0 && absolute < 1e-12)) return value.toExponential(2).replace("-", MINUS);
  const { size, suffix } = scaleOf(absolute, unit);
  return `${sign}${digits(absolute / size)}${suffix}`;
}

/** Returns a number with three digits and an SI prefix. */
export function formatNumber(value: number): string {
  return formatValue(value, "number");
}

/** Returns the labels of an axis: all in the scale of the largest, with as many digits as tell them apart. */
export function formatAxis(values: readonly number[], increment: number, unit: Unit): string[] {
  const most = Math.max(...values.map(Math.abs));
  if (!(most < 1e21)) return values.map((value) => formatValue(value, unit));
  const { size, suffix } = scaleOf(most, unit);
  const step = increment / size;
  let places = 0;
  while (places < 9 && Math.abs(Number(step.toFixed(places)) - step) > step / 1000) places++;
  return values.map((value) =>
    value === 0 ? `0${suffix.startsWith(" ") ? suffix : ""}` : `${value < 0 ? MINUS : ""}${(Math.abs(value) / size).toFixed(places)}${suffix}`,
  );
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

/** Returns whether a text contains what was searched for, in whatever case. */
export function contains(text: string, search: string): boolean {
  return text.toLowerCase().includes(search.trim().toLowerCase());
}
