import { describe, expect, it } from "vitest";

import { parseProblem } from "../../src/lib/position";

describe("positions of errors", () => {
  it("finds line, column and length", () => {
    const query = 'sum(up) +\n foo{a="b" or c="d"}';
    const message = '2:12: unexpected identifier \'or\'\n foo{a="b" or c="d"}\n           ^^';
    const problem = parseProblem(message, query);
    expect(problem?.reason).toBe("unexpected identifier 'or'");
    expect(query.slice(problem?.from, problem?.to)).toBe("or");
  });

  it("counts characters, not UTF-16 units", () => {
    const query = '"🦅🦅" ! x';
    const problem = parseProblem("1:6: unexpected character\n\"🦅🦅\" ! x\n     ^", query);
    expect(query.slice(problem?.from, problem?.to)).toBe("!");
  });

  it("bears an end of the text, and other messages", () => {
    expect(parseProblem("1:4: unexpected end of input", "up(")).toEqual({ from: 3, to: 3, reason: "unexpected end of input" });
    expect(parseProblem("exceeded maximum resolution of 11,000 points", "up")).toBeNull();
    expect(parseProblem("7:1: x", "up")).toBeNull();
  });
});
