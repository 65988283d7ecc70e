import { render } from "preact";
import { act } from "preact/test-utils";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

import { ResultTable } from "../../src/explore/table";

let host: HTMLElement;

beforeEach(() => {
  host = document.createElement("div");
  document.body.append(host);
});

afterEach(() => {
  render(null, host);
  host.remove();
});

const sample = (labels: Record<string, string>, value: number) => ({ labels, time: 0, value, text: String(value) });
const column = (index: number) => [...host.querySelectorAll("tbody tr")].map((row) => row.children[index]?.textContent);

describe("the table", () => {
  it("shows hostile labels as text", () => {
    const labels = {
      __name__: "<img src=x onerror=alert(1)>",
      '"><script>alert(1)</script>': "<svg onload=alert(1)>",
      rtl: "abc\u202egnp.exe",
      long: "x".repeat(10_000),
      emoji: "🦅",
    };
    render(<ResultTable result={{ kind: "vector", samples: [sample(labels, 1)], histograms: 0 }} zone="utc" />, host);
    expect(host.querySelector("img, script, tbody svg")).toBeNull();
    const text = host.textContent;
    expect(text).toContain("<img src=x onerror=alert(1)>");
    expect(text).toContain("abc\\u202egnp.exe");
    expect(text).toContain("🦅");
    expect(text.length).toBeLessThan(2000);
  });

  it("shows first what tells series apart, and last what they have in common", () => {
    const labels = (name: string, id: string) => ({ __name__: "up", a_id: id, job: "x", server_name: name });
    const samples = [sample(labels("web-0", "1f0c"), 1), sample(labels("db-0", "2e4d"), 1)];
    render(<ResultTable result={{ kind: "vector", samples, histograms: 0 }} zone="utc" />, host);
    const heads = [...host.querySelectorAll("thead th")].map((head) => head.textContent);
    expect(heads).toEqual(["server_name", "a_id", "Metric", "job", "Value"]);
  });

  it("sorts by value and by label", async () => {
    const samples = [sample({ a: "x10" }, 2), sample({ a: "x9" }, NaN), sample({ a: "x1" }, 10)];
    render(<ResultTable result={{ kind: "vector", samples, histograms: 0 }} zone="utc" />, host);
    const [byLabel, byValue] = host.querySelectorAll<HTMLButtonElement>("thead button");
    await act(() => byValue?.click());
    expect(column(1)).toEqual(["10", "2", "NaN"]);
    await act(() => byLabel?.click());
    expect(column(0)).toEqual(["x1", "x9", "x10"]);
    expect(host.querySelector("th[aria-sort]")?.getAttribute("aria-sort")).toBe("ascending");
  });

  it("shows the first rows of many, and says so", () => {
    const samples = Array.from({ length: 1500 }, (_, index) => sample({ a: String(index) }, index));
    render(<ResultTable result={{ kind: "vector", samples, histograms: 0 }} zone="utc" />, host);
    expect(host.querySelectorAll("tbody tr")).toHaveLength(1000);
    expect(host.querySelector(".notice")?.textContent).toContain("1\u202f500");
  });

  it("shows scalars and strings, and no series", () => {
    render(<ResultTable result={{ kind: "scalar", time: 0, text: "42" }} zone="utc" />, host);
    expect(host.querySelector(".single-value")?.textContent).toBe("42");
    render(<ResultTable result={{ kind: "vector", samples: [], histograms: 0 }} zone="utc" />, host);
    expect(host.querySelector(".empty h2")?.textContent).toBe("No series");
  });
});
