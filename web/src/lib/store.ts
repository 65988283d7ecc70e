/** A value that components follow. */

import { useEffect, useState } from "preact/hooks";

export interface Store<T> {
  get(): T;
  set(value: T): void;
  subscribe(listener: () => void): () => void;
}

/** Returns a store with an initial value. */
export function createStore<T>(initial: T): Store<T> {
  let value = initial;
  const listeners = new Set<() => void>();
  return {
    get: () => value,
    set(next) {
      if (Object.is(next, value)) return;
      value = next;
      for (const listener of [...listeners]) listener();
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => {
        listeners.delete(listener);
      };
    },
  };
}

/** Returns the store's value and renders the component again when it changes. */
export function useStore<T>(store: Store<T>): T {
  const [, render] = useState(0);
  const value = store.get();
  useEffect(() => {
    const update = () => render((count) => count + 1);
    if (!Object.is(store.get(), value)) update();
    return store.subscribe(update);
  }, [store]);
  return value;
}
