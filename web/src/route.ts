/** Which page is shown, and its state. Both are in the fragment of the address. */

import { formatRoute, parseRoute, type Route } from "./lib/state";
import { createStore } from "./lib/store";

export const route = createStore<Route>(parseRoute(location.hash));

/** Follows links and the browser's Back. */
export function followAddress(): void {
  const update = () => route.set(parseRoute(location.hash));
  addEventListener("hashchange", update);
  addEventListener("popstate", update);
}

/** Shows a page; `replace` leaves no entry in the browser's history. */
export function navigate(page: string, parameters: URLSearchParams, replace = false): void {
  const fragment = formatRoute(page, parameters);
  if (fragment !== location.hash) {
    if (replace) history.replaceState(null, "", fragment);
    else history.pushState(null, "", fragment);
  }
  route.set(parseRoute(fragment));
}
