import { render } from "preact";
import { act } from "preact/test-utils";
import { expect, it, vi } from "vitest";

import { LazyGraph } from "../../src/graph/lazy";

// happy-dom has no canvas to draw on.
vi.mock("uplot", () => ({
  default: class {
    ctx = { canvas: null };
  },
}));

function graph(label: string) {
  return <LazyGraph label={label} times={[]} lines={[]} from={0} to={1} zone="utc" dark={false} height={10} />;
}

it("shows a graph that was rendered before another one had loaded the code", async () => {
  const [first, second] = [document.createElement("div"), document.createElement("div")];
  await act(() => render(graph("first"), first));
  // Effects wait for the end of act: that of the second graph until the first one has the code.
  await act(async () => {
    render(graph("second"), second);
    await vi.dynamicImportSettled();
  });
  await vi.waitFor(() => expect(first.querySelector(".placeholder")).toBeNull());
  await vi.waitFor(() => expect(second.querySelector(".placeholder")).toBeNull());
});
