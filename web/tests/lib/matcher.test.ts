import { describe, expect, it } from "vitest";

import { addMatcher } from "../../src/lib/matcher";

describe("the matcher of a chosen project", () => {
  it.each([
    ["up", 'up{project="p"}'],
    ["up{}", 'up{project="p"}'],
    ['up{job="x"}', 'up{project="p",job="x"}'],
    ['{__name__="up"}', '{project="p",__name__="up"}'],
    ["sum(rate(a[5m])) / b offset 1h", 'sum(rate(a{project="p"}[5m])) / b{project="p"} offset 1h'],
    ["1 + 1", "1 + 1"],
    ["sum by (job) (up)", 'sum by (job) (up{project="p"})'],
  ])("is in each selector of %s", (query, expected) => expect(addMatcher(query, "project", "p")).toBe(expected));

  it("is quoted", () => {
    expect(addMatcher("up", "project", 'a"} or x{"')).toBe('up{project="a\\"} or x{\\""}');
    expect(addMatcher("up", "my.label", "p")).toBe('up{"my.label"="p"}');
  });

  it.each(["sum(up", "histogram_quantile(5./6., rate(x_bucket[5m]))", "max_of(up, 1)"])("cannot be added to %s", (query) => {
    expect(addMatcher(query, "project", "p")).toBeNull();
  });
});
