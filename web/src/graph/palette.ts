/** Colours of series, in an order in which neighbours differ, also for colour-blind readers. */

const LIGHT = ["#2f62cc", "#c2570c", "#1f8a5b", "#b3307a", "#6d4fc4", "#0b7f92", "#b3261e", "#7a6a00", "#4d6077", "#8f5a2a"];
const DARK = ["#79a6ff", "#f0a35e", "#58c795", "#ee8ac4", "#b39af7", "#4cc5d6", "#f38178", "#cfc257", "#a9b8cc", "#d9a274"];

/** Returns the colour of the series at an index of the answer. */
export function seriesColor(index: number, dark: boolean): string {
  const colors = dark ? DARK : LIGHT;
  return colors[index % colors.length] ?? "#888888";
}
