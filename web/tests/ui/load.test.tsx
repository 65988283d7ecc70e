import { render } from "preact";
import { act } from "preact/test-utils";
import { afterEach, beforeEach, expect, it } from "vitest";

import { useLoad } from "../../src/ui/load";

let host: HTMLElement;
let requests: { name: string; signal: AbortSignal; answer: (data: string) => void }[];

let cancel: () => void;

function View({ name, time }: { name: string; time: number }) {
  const { data, loading, ...loaded } = useLoad(
    (signal) => new Promise<string>((answer) => requests.push({ name, signal, answer })),
    [name],
    [time],
  );
  cancel = loaded.cancel;
  return (
    <p>
      {data ?? "nothing"}
      {loading ? "…" : ""}
    </p>
  );
}

const show = (name: string, time: number) => act(() => render(<View name={name} time={time} />, host));
const answer = (index: number, data: string) => act(() => {
    requests[index]?.answer(data);
    return Promise.resolve();
  });

beforeEach(() => {
  host = document.createElement("div");
  requests = [];
});

afterEach(() => render(null, host));

it("keeps the data of a refresh, and never shows that of other inputs", async () => {
  await show("a", 1);
  await answer(0, "data of a");
  expect(host.textContent).toBe("data of a");
  await show("a", 2);
  expect(host.textContent).toBe("data of a…");
  await answer(1, "newer data of a");
  await show("b", 2);
  expect(host.textContent).toBe("nothing…");
  await answer(2, "data of b");
  expect(host.textContent).toBe("data of b");
});

it("aborts what it no longer needs, and ignores its answer", async () => {
  await show("a", 1);
  await show("b", 1);
  expect(requests[0]?.signal.aborted).toBe(true);
  await answer(1, "data of b");
  await answer(0, "data of a");
  expect(host.textContent).toBe("data of b");
});

it("aborts what is cancelled, and keeps the data that it has", async () => {
  await show("a", 1);
  await act(() => cancel());
  expect(requests[0]?.signal.aborted).toBe(true);
  expect(host.textContent).toBe("nothing");
  await show("a", 2);
  await answer(1, "data of a");
  await show("a", 3);
  await act(() => cancel());
  await answer(2, "newer data of a");
  expect(host.textContent).toBe("data of a");
});
