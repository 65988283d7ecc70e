import { beforeEach, describe, expect, it } from "vitest";

import { clearHistory, readHistory, remember } from "../../src/lib/history";

beforeEach(() => window.localStorage.clear());

describe("history", () => {
  it("keeps queries by user, the newest first and each once", () => {
    remember("u1", "a", 1);
    remember("u1", "b", 2);
    remember("u1", "a", 3);
    remember("u2", "c", 4);
    expect(readHistory("u1")).toEqual([
      { query: "a", time: 3 },
      { query: "b", time: 2 },
    ]);
    clearHistory("u1");
    expect(readHistory("u1")).toEqual([]);
    expect(readHistory("u2")).toHaveLength(1);
  });

  it("is bounded", () => {
    for (let index = 0; index < 300; index++) remember("u", `q${index}`, index);
    remember("u", "x".repeat(5000), 1);
    expect(readHistory("u")).toHaveLength(200);
  });

  it.each(["{}", "[1, null, {}]", "not JSON", '[{"query": 1, "time": 2}]'])("bears %j in the storage", (text) => {
    window.localStorage.setItem("chrysaetos.history.u", text);
    expect(readHistory("u")).toEqual([]);
  });
});
