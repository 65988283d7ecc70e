import { describe, expect, it } from "vitest";

import { axisLabels, formatAgo, formatDuration, formatRelative, formatTime, parseDuration, parseTime } from "../../src/lib/time";

describe("durations", () => {
  it.each([
    ["5m", 300],
    ["1h30m", 5400],
    ["1d", 86_400],
    ["500ms", 0.5],
    ["15", 15],
    [" 2w ", 1_209_600],
  ])("reads %s", (text, seconds) => expect(parseDuration(text)).toBe(seconds));

  it.each(["", "0s", "0", "1m1h", "5x", "-5m", "1.5h"])(
    "refuses %j",
    (text) => expect(parseDuration(text)).toBeNull(),
  );

  it.each([
    [5400, "1h30m"],
    [86_400, "1d"],
    [90_061, "1d1h1m1s"],
    [0.25, "250ms"],
    [0, "0s"],
  ])("writes %d as %s", (seconds, text) => expect(formatDuration(seconds)).toBe(text));

  it("reads what it writes", () => {
    for (const seconds of [1, 59, 60, 61, 3599, 86_399, 604_800, 12_345.678]) {
      expect(parseDuration(formatDuration(seconds))).toBeCloseTo(seconds, 3);
    }
  });
});

describe("times", () => {
  it("writes and reads UTC", () => {
    expect(formatTime(1_795_864_164, "utc")).toBe("2026-11-28 11:09:24");
    expect(parseTime("2026-11-28 11:09:24", "utc")).toBe(1_795_864_164);
    expect(parseTime("2026-11-28T11:09", "utc")).toBe(1_795_864_140);
    expect(parseTime("2026-11-28", "utc")).toBe(1_795_824_000);
  });

  it("reads the local time that it writes", () => {
    expect(parseTime(formatTime(1_795_864_164, "local"), "local")).toBe(1_795_864_164);
  });

  it.each(["2026-11-28T11:09:24Z", "2026-11-28 13:09:24+02:00", "2026-11-28T11:09:24.5Z", "1795864164", "1795864164500"])(
    "reads %j in whatever zone",
    (text) => expect(parseTime(text, "local")).toBe(1_795_864_164),
  );

  it.each(["2026-02-31T00:00Z", "2026-11-28Z", "179586416", "now", "2026-02-31", "2026-13-01", "2026-11-28 24:00", "28.11.2026", ""])("refuses %j", (text) =>
    expect(parseTime(text, "utc")).toBeNull(),
  );

  it("names the day where it begins on an axis", () => {
    const start = 1_795_824_000;
    expect(axisLabels([start - 3600, start, start + 3600], 3600, "utc")).toEqual(["23:00\n11-27", "00:00\n11-28", "01:00"]);
    expect(axisLabels([start], 86_400, "utc")).toEqual(["11-28"]);
    expect(axisLabels([start + 5], 5, "utc")).toEqual(["00:00:05\n11-28"]);
  });

  it("says how long ago", () => {
    expect(formatRelative(100, 160)).toBe("60 s ago");
    expect(formatRelative(1000, 400)).toBe("in 10 min");
    expect(formatRelative(0, 86_400 * 3)).toBe("3 days ago");
    expect(formatRelative(100, 100.2)).toBe("now");
  });

  it("tells how long ago an event of Prometheus was", () => {
    expect(formatAgo("1970-01-01T00:01:40Z", 160)).toBe("60 s ago");
    // The browser's copy of the server's clock may be some milliseconds late.
    expect(formatAgo("1970-01-01T00:01:40Z", 99)).toBe("now");
    expect(formatAgo("0001-01-01T00:00:00Z", 160)).toBe("");
    expect(formatAgo(undefined, 160)).toBe("");
  });
});
