/** What the gateway added to a query. */

export interface Part {
  text: string;
  added: boolean;
}

const MAX_CELLS = 1_000_000;

function tokens(text: string): string[] {
  return text.match(/[\p{L}\p{N}_:.]+|\s+|"(?:[^"\\]|\\.)*"|[^]/gu) ?? [];
}

/** Returns the parts of `sent`, marked if `given` does not have them: the longest common subsequence of tokens. */
export function difference(given: string, sent: string): Part[] {
  const a = tokens(given);
  const b = tokens(sent);
  if ((a.length + 1) * (b.length + 1) > MAX_CELLS) return [{ text: sent, added: false }];
  const width = b.length + 1;
  const lengths = new Uint16Array((a.length + 1) * width);
  const length = (i: number, j: number) => lengths[i * width + j] ?? 0;
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      lengths[i * width + j] = a[i] === b[j] ? length(i + 1, j + 1) + 1 : Math.max(length(i + 1, j), length(i, j + 1));
    }
  }
  const parts: Part[] = [];
  let i = 0;
  b.forEach((token, j) => {
    while (i < a.length && a[i] !== token && length(i + 1, j) >= length(i, j + 1)) i++;
    const added = a[i] !== token;
    if (!added) i++;
    const last = parts.at(-1);
    if (last?.added === added) last.text += token;
    else parts.push({ text: token, added });
  });
  return parts;
}
