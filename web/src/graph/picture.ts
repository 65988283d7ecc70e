/** A graph as a PNG with its query and legend. */

import { visible } from "../lib/format";

interface Entry {
  name: string;
  color: string;
}

const MAX_ENTRIES = 30;
const FONT = '13px system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif';

/** Returns a picture of a graph, null if the browser cannot make one. */
export function picture(graph: HTMLCanvasElement, title: string, entries: readonly Entry[], dark: boolean): Promise<Blob | null> {
  const scale = devicePixelRatio || 1;
  const width = graph.width / scale;
  const shown = entries.slice(0, MAX_ENTRIES);
  const head = 40;
  const row = 20;
  const height = head + graph.height / scale + shown.length * row + 16;
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const context = canvas.getContext("2d");
  if (context === null) return Promise.resolve(null);
  context.scale(scale, scale);
  context.fillStyle = dark ? "#161b22" : "#ffffff";
  context.fillRect(0, 0, width, height);
  context.font = FONT;
  context.textBaseline = "middle";
  const ink = dark ? "#e6ebf2" : "#1b2431";
  context.fillStyle = ink;
  context.fillText(visible(title.replace(/\s+/g, " "), 200), 12, head / 2, width - 24);
  context.drawImage(graph, 0, head, width, graph.height / scale);
  shown.forEach((entry, index) => {
    const y = head + graph.height / scale + index * row + row / 2;
    context.fillStyle = entry.color;
    context.fillRect(12, y - 5, 10, 10);
    context.fillStyle = ink;
    context.fillText(visible(entry.name, 200), 30, y, width - 42);
  });
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}
