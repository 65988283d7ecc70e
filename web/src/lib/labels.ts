/** Labels of series. */

export type Labels = Readonly<Record<string, string>>;

const PLAIN_NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const PLAIN_LABEL = /^[a-zA-Z_][a-zA-Z0-9_]*$/;

/** Returns a PromQL string literal. */
export function quote(text: string): string {
  return `"${text.replace(/\\/g, "\\\\").replace(/"/g, '\\"').replace(/\n/g, "\\n")}"`;
}

/** Returns a label's name as PromQL writes it; names that are not plain are quoted since Prometheus 3. */
export function labelName(name: string): string {
  return PLAIN_LABEL.test(name) ? name : quote(name);
}

/** Returns a series as PromQL writes it: `up{job="node"}`. */
export function seriesName(labels: Labels, only?: ReadonlySet<string>): string {
  const name = labels["__name__"] ?? "";
  const plain = PLAIN_NAME.test(name);
  const pairs = Object.keys(labels)
    .filter((label) => label !== "__name__" && (only === undefined || only.has(label)))
    .sort()
    .map((label) => `${labelName(label)}=${quote(labels[label] ?? "")}`);
  if (name && !plain) pairs.unshift(quote(name));
  const inner = pairs.length > 0 ? `{${pairs.join(", ")}}` : "";
  return (plain ? name : "") + inner || "{}";
}

/** Returns a short, stable key of a series, for the address bar. */
export function seriesKey(labels: Labels): string {
  // FNV-1a, 32 bits: collisions only hide one series too many.
  let hash = 0x811c9dc5;
  const text = seriesName(labels);
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  return (hash >>> 0).toString(36);
}

/**
 * Returns the labels that tell series apart: one label if its values do, a name before an id and a short one before
 * a long one; else all labels that vary.
 */
export function tellingLabels(all: readonly Labels[]): string[] {
  const varying = varyingLabels(all);
  const values = (name: string) => all.map((labels) => labels[name] ?? "");
  const cost = (name: string) => values(name).join("").length + (name.endsWith("name") ? 0 : 1e9);
  const [best] = varying
    .filter((name) => name !== "__name__" && values(name).every(Boolean) && new Set(values(name)).size === all.length)
    .sort((a, b) => cost(a) - cost(b));
  return best === undefined ? varying : [best];
}

/** Returns the name of a series among others: what tells them apart, and only the value if that is one label. */
export function shortName(labels: Labels, telling: ReadonlySet<string>): string {
  const [only] = telling;
  if (telling.size === 1 && only !== undefined && labels[only]) return labels[only];
  return telling.size === 0 ? seriesName(labels) : seriesName(labels, telling);
}

/** Returns the labels whose values differ between series, sorted by name. */
export function varyingLabels(all: readonly Labels[]): string[] {
  const first = all[0];
  if (first === undefined) return [];
  const names = new Set(all.flatMap((labels) => Object.keys(labels)));
  return [...names].filter((name) => all.some((labels) => labels[name] !== first[name])).sort();
}

/** Returns all label names of series, sorted; `__name__` is first. */
export function allLabels(all: readonly Labels[]): string[] {
  const names = new Set(all.flatMap((labels) => Object.keys(labels)));
  return [...names].sort((a, b) => (a === "__name__" ? -1 : b === "__name__" ? 1 : a < b ? -1 : 1));
}
