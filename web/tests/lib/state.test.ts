import { describe, expect, it } from "vitest";

import { defaultExplore, emptyPanel, exploreLink, formatExplore, formatRoute, parseExplore, parseRoute, type Explore } from "../../src/lib/state";

const FULL: Explore = {
  range: 10_800,
  end: 1_795_864_164,
  step: 30,
  resolution: "high",
  refresh: 10,
  panels: [
    { query: 'sum by (x) (rate(up{a="&=#?"}[5m])) # ünï 🦅\n+ 1', view: "table", stacked: true, hidden: ["1a2b3c", "zz"], shown: ["4d"], sent: true },
    emptyPanel(""),
    emptyPanel("up"),
  ],
};

describe("the address", () => {
  it("restores everything", () => {
    const fragment = formatRoute("explore", formatExplore(FULL));
    const { page, parameters } = parseRoute(fragment);
    expect(page).toBe("explore");
    expect(parseExplore(parameters)).toEqual(FULL);
  });

  it("leaves defaults out", () => {
    expect(formatExplore(defaultExplore()).toString()).toBe("range=1h&q0=");
  });

  it.each(["", "#", "#/", "#/explore", "#/explore?", "#/explore?range=x&end=y&step=-1&res=z&refresh=q"])(
    "takes defaults for %j",
    (fragment) => expect(parseExplore(parseRoute(fragment).parameters)).toEqual(defaultExplore()),
  );

  it("drops what cannot be a key of a series, and too many panels", () => {
    const parameters = new URLSearchParams({ q0: "up", hidden0: "ok1,<script>,,../x" });
    for (let index = 1; index < 50; index++) parameters.set(`q${index}`, "up");
    const state = parseExplore(parameters);
    expect(state.panels[0]?.hidden).toEqual(["ok1"]);
    expect(state.panels).toHaveLength(20);
  });

  it("survives a broken escape", () => {
    expect(parseRoute("#/explore?q0=%E0%A4%A&range=%").parameters.get("q0")).not.toBeNull();
  });

  it("links to queries", () => {
    const { parameters } = parseRoute(exploreLink(["up > 1", "up"], 86_400, new URLSearchParams({ only: "p" })));
    const state = parseExplore(parameters);
    expect(state.range).toBe(86_400);
    expect(state.panels).toEqual(["up > 1", "up"].map((query) => emptyPanel(query)));
    expect(parameters.get("only")).toBe("p");
  });
});
