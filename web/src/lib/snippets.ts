/** Configuration and commands for other programs, with the caller's own addresses. */

export interface Access {
  url: string;
  id: string;
  secret: string;
  /** The version of the gateway, whose wheel has the client. */
  version: string;
  keystoneUrl: string;
  /** A metric to read: a name that needs no quotes in PromQL. */
  metric: string;
}

export interface Snippet {
  text: string;
  /** A name for saving it; null if it is not a file. */
  file: string | null;
}

export type Tool = "grafana" | "curl" | "promtool" | "openstack" | "python" | "prometheus";

export const TOOLS: readonly Tool[] = ["grafana", "curl", "promtool", "openstack", "python", "prometheus"];

/** Returns a string that YAML, JSON and Python read as the same text. */
const quoted = (text: string) => JSON.stringify(text);

/** Returns a word that a POSIX shell reads as the same text. */
function shell(text: string): string {
  return /^[A-Za-z0-9_./:@%+=-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

const wheel = (version: string) => `./chrysaetos-${version}-py3-none-any.whl`;

function grafana({ url, id, secret }: Access): Snippet {
  return {
    file: "metrics.yaml",
    text: `apiVersion: 1
datasources:
  - name: Metrics
    type: prometheus
    access: proxy
    url: ${quoted(url)}
    basicAuth: true
    basicAuthUser: ${quoted(id)}
    secureJsonData:
      basicAuthPassword: ${quoted(secret)}
    jsonData:
      httpMethod: POST
`,
  };
}

function curl({ url, id, secret, metric }: Access): Snippet {
  return {
    file: null,
    text: `curl --user ${shell(`${id}:${secret}`)} ${shell(`${url}/api/v1/query`)} \\
  --data-urlencode 'query=${metric}'
`,
  };
}

function promtool({ url, id, secret, metric }: Access): Snippet {
  return {
    file: null,
    text: `# http.yml
basic_auth:
  username: ${quoted(id)}
  password: ${quoted(secret)}

# in a shell
promtool query instant --http.config.file=http.yml ${shell(url)} '${metric}'
`,
  };
}

function openstack({ id, secret, version, keystoneUrl, metric }: Access): Snippet {
  return {
    file: null,
    text: `# with the wheel from your operator
pip install python-openstackclient ${shell(`${wheel(version)}[cli]`)}

# clouds.yaml
clouds:
  metrics:
    auth_type: v3applicationcredential
    auth:
      auth_url: ${quoted(keystoneUrl)}
      application_credential_id: ${quoted(id)}
      application_credential_secret: ${quoted(secret)}

# in a shell
openstack --os-cloud metrics metric instant '${metric}'
openstack --os-cloud metrics metric range '${metric}' --start -3h --plot
`,
  };
}

function python({ url, id, secret, version, metric }: Access): Snippet {
  return {
    file: null,
    text: `# the wheel from your operator: pip install ${shell(wheel(version))}
from chrysaetos.client import MetricsClient

client = MetricsClient.direct(
    ${quoted(url)},
    username=${quoted(id)},
    password=${quoted(secret)},
)
for sample in client.query_vector("${metric}"):
    print(sample.labels, sample.value)
`,
  };
}

function prometheus({ url, id, secret }: Access): Snippet {
  const { protocol, host, pathname } = new URL(url);
  const path = pathname.replace(/\/$/, "");
  return {
    file: "prometheus.yml",
    text: `scrape_configs:
  - job_name: cloud
    scheme: ${protocol.replace(":", "")}
    honor_labels: true
    metrics_path: ${quoted(`${path}/federate`)}
    params:
      "match[]": ['{__name__=~"ceilometer_.+"}']
    basic_auth:
      username: ${quoted(id)}
      password: ${quoted(secret)}
    static_configs:
      - targets: [${quoted(host)}]
`,
  };
}

const MAKERS: Readonly<Record<Tool, (access: Access) => Snippet>> = { grafana, curl, promtool, openstack, python, prometheus };

/** Returns what a program needs. */
export function snippet(tool: Tool, access: Access): Snippet {
  return MAKERS[tool](access);
}
