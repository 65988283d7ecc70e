import { describe, expect, it } from "vitest";

import { snippet, TOOLS } from "../../src/lib/snippets";

const ACCESS = { url: "https://cloud.example/metric-storage", id: "abc", secret: "s'e\"c$r`e\\t" };

describe("snippets", () => {
  it.each(TOOLS)("%s has the caller's id", (tool) => expect(snippet(tool, ACCESS).text).toContain("abc"));

  it("quotes for a shell", () => {
    expect(snippet("curl", ACCESS).text).toContain(`--user 'abc:s'\\''e"c$r\`e\\t' https://cloud.example/metric-storage/api/v1/query`);
  });

  it("splits the address for a scrape configuration", () => {
    const { text } = snippet("prometheus", ACCESS);
    expect(text).toContain('metrics_path: "/metric-storage/federate"');
    expect(text).toContain('- targets: ["cloud.example"]');
    expect(text).toContain("scheme: https");
    expect(text).toContain(`password: ${JSON.stringify(ACCESS.secret)}`);
  });
});
