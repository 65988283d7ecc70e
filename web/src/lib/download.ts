/** Files that the reader saves. */

/** Offers a file for saving. */
export function download(name: string, content: Blob | string, type: string): void {
  const url = URL.createObjectURL(typeof content === "string" ? new Blob([content], { type }) : content);
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** Returns a file's name from a query: letters and digits only. */
export function fileName(query: string, extension: string): string {
  const stem = query.replace(/[^A-Za-z0-9]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 60);
  return `${stem || "metrics"}.${extension}`;
}
