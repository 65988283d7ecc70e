import { describe, expect, it } from "vitest";

import { difference } from "../../src/lib/difference";

const marked = (given: string, sent: string) =>
  difference(given, sent)
    .map(({ text, added }) => (added ? `[${text}]` : text))
    .join("");

describe("what was added", () => {
  it("marks matchers", () => {
    expect(marked("up", 'up{project="p"}')).toBe('up[{project="p"}]');
    expect(marked('up{job="x"}', 'up{project="p",job="x"}')).toBe('up{[project="p",]job="x"}');
    expect(marked("a / b", 'a{project="p"} / b{project="p"}')).toBe('a[{project="p"}] / b[{project="p"}]');
  });

  it("loses nothing of what was sent", () => {
    const sent = 'sum(rate(x{project="p",a!~"b|c"}[5m])) by (project) # 🦅';
    expect(difference('sum(rate(x{a!~"b|c"}[5m])) by (project) # 🦅', sent).map(({ text }) => text).join("")).toBe(sent);
    expect(marked("up", "up")).toBe("up");
    expect(difference("x ".repeat(2000), "y ".repeat(2000))).toHaveLength(1);
  });
});
