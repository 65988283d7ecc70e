import { afterEach, expect, it, vi } from "vitest";

import { completions, forgetCompletions } from "../../src/editor/client";
import { FakeServer, json } from "../fakes/server";

const PATH = "/api/v1/label/__name__/values";

afterEach(() => {
  forgetCompletions();
  vi.unstubAllGlobals();
});

it("asks once for names, and again when they have been forgotten", async () => {
  let names = ["of_a"];
  const server = new FakeServer().install().on(PATH, () => json({ status: "success", data: names }));
  expect(await completions.metricNames()).toEqual(["of_a"]);
  names = ["of_b"];
  expect(await completions.metricNames()).toEqual(["of_a"]);
  expect(server.to(PATH)).toHaveLength(1);
  forgetCompletions();
  expect(await completions.metricNames()).toEqual(["of_b"]);
});
