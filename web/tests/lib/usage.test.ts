import { describe, expect, it } from "vitest";

import { byDay, byMonth, midnight, monthStart } from "../../src/lib/usage";

const DAY = 86_400;
const START = Date.UTC(2026, 10, 29) / 1000;

describe("usage", () => {
  it("is the difference of totals, with the day that has not ended", () => {
    const days = byDay([100, 124, null, 150, 180], START, 190, START + 4 * DAY + 3600);
    expect(days).toEqual([
      { name: "2026-11-29", amount: 24, partial: false },
      { name: "2026-12-02", amount: 30, partial: false },
      { name: "2026-12-03", amount: 10, partial: true },
    ]);
  });

  it("bills nothing twice when a total becomes smaller", () => {
    expect(byDay([100, 40, 64], START, 64, START + 2 * DAY).map((day) => day.amount)).toEqual([0, 24, 0]);
  });

  it("adds days up to months", () => {
    const days = byDay([0, 10, 30, 60], START, 65, START + 3 * DAY + 1);
    expect(byMonth(days)).toEqual([
      { name: "2026-11", amount: 30, partial: true },
      { name: "2026-12", amount: 35, partial: true },
    ]);
  });

  it("marks a month that lacks days", () => {
    const first = Date.UTC(2026, 10, 1) / 1000;
    const totals = Array.from({ length: 31 }, (_, index) => index);
    expect(byMonth(byDay(totals, first, 30, first + 30 * DAY + 1))[0]).toEqual({ name: "2026-11", amount: 30, partial: false });
    const cut = [null, ...totals.slice(1)];
    expect(byMonth(byDay(cut, first, 30, first + 30 * DAY + 1))[0]).toEqual({ name: "2026-11", amount: 29, partial: true });
  });

  it("begins months at their first midnight", () => expect(monthStart(START + 3599)).toBe(Date.UTC(2026, 10, 1) / 1000));

  it("begins days at midnight, UTC", () => expect(midnight(START + 3599)).toBe(START));
});
