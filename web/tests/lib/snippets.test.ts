import { describe, expect, it } from "vitest";

import { snippet, TOOLS } from "../../src/lib/snippets";

const ACCESS = { url: "https://cloud.example/metric-storage", id: "abc", secret: "s'e\"c$r`e\\t", version: "1.2.3", keystoneUrl: "https://cloud.example/identity/v3", metric: "libvirt_domain_info" };

describe("snippets", () => {
  it.each(TOOLS)("%s has the caller's id", (tool) => expect(snippet(tool, ACCESS).text).toContain("abc"));

  it("quotes for a shell", () => {
    expect(snippet("curl", ACCESS).text).toContain(`--user 'abc:s'\\''e"c$r\`e\\t' https://cloud.example/metric-storage/api/v1/query`);
  });

  it("installs the wheel of the gateway's version, which is on no package index", () => {
    expect(snippet("openstack", ACCESS).text).toContain("pip install python-openstackclient './chrysaetos-1.2.3-py3-none-any.whl[cli]'\n");
    expect(snippet("python", ACCESS).text).toContain("pip install ./chrysaetos-1.2.3-py3-none-any.whl\n");
  });

  it.each(["curl", "promtool", "openstack", "python"] as const)("%s reads a metric of the project", (tool) =>
    expect(snippet(tool, ACCESS).text).toContain("libvirt_domain_info"),
  );

  it("logs in at the cloud's Keystone", () => expect(snippet("openstack", ACCESS).text).toContain('auth_url: "https://cloud.example/identity/v3"'));

  it("splits the address for a scrape configuration", () => {
    const { text } = snippet("prometheus", ACCESS);
    expect(text).toContain('metrics_path: "/metric-storage/federate"');
    expect(text).toContain('- targets: ["cloud.example"]');
    expect(text).toContain("scheme: https");
    expect(text).toContain(`password: ${JSON.stringify(ACCESS.secret)}`);
  });
});
