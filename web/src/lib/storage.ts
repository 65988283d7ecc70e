/** What the browser keeps: preferences and queries. Never tokens, passwords or answers. */

const PREFIX = "chrysaetos.";

/** Returns a kept value, null if there is none or storage is blocked. */
export function load(key: string): unknown {
  try {
    const text = localStorage.getItem(PREFIX + key);
    return text === null ? null : (JSON.parse(text) as unknown);
  } catch {
    return null;
  }
}

/** Keeps a value. Where storage is blocked or full, it is kept nowhere. */
export function save(key: string, value: unknown): void {
  try {
    localStorage.setItem(PREFIX + key, JSON.stringify(value));
  } catch {
    return;
  }
}

/** Keeps the address' fragment of this tab while the browser is at the identity provider. */
export function saveFragment(fragment: string): void {
  try {
    sessionStorage.setItem(PREFIX + "fragment", fragment);
  } catch {
    return;
  }
}

/** Returns and forgets the fragment that `saveFragment` kept. */
export function takeFragment(): string | null {
  try {
    const fragment = sessionStorage.getItem(PREFIX + "fragment");
    sessionStorage.removeItem(PREFIX + "fragment");
    return fragment;
  } catch {
    return null;
  }
}
