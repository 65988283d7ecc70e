"""Configurations of Watcher, and the values that Watcher should read after the move."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["CASES", "MOVED", "Case"]

Read = dict[tuple[str, str], object]

MOVED: Read = {("watcher_datasources", "datasources"): ["aetos"]}


@dataclass(frozen=True)
class Case:
    """One configuration.

    Attributes:
        name: what is special about it.
        files: content by name. A name with a slash is in a directory for --conf-dir; ``NAME -> TARGET``
            is a symbolic link, whose content is None.
        reads: values that Watcher should read, by (group, option).
        has: for some files, the exact content after the move.
        environ: the service's environment.
        release: Watcher's release.
        forced: whether the check fails, so that --force is required.
        arguments: further arguments of apply.
        mode: the mode of the files.
    """

    name: str
    files: dict[str, str | bytes | None]
    reads: Read = field(default_factory=lambda: MOVED)
    has: dict[str, str | bytes] = field(default_factory=dict)
    environ: dict[str, str] = field(default_factory=dict)
    release: int = 17
    forced: bool = False
    arguments: tuple[str, ...] = ()
    mode: int = 0o640


def _aetos(*datasources: str, **client: str) -> Read:
    read: Read = {("watcher_datasources", "datasources"): list(datasources or ["aetos"])}
    return {**read, **{("aetos_client", key): value for key, value in client.items()}}


_ON = "[watcher_datasources]\ndatasources = prometheus\n"
_OFF = "[watcher_datasources]\ndatasources = aetos\n"

_PLAIN = """\
[DEFAULT]
debug = false

[watcher_datasources]
datasources = prometheus

[prometheus_client]
host = prometheus.example
port = 9090
fqdn_label = node
instance_uuid_label = uuid

[watcher_clients_auth]
username = watcher
"""

_PLAIN_MOVED = """\
[DEFAULT]
debug = false

[watcher_datasources]
datasources = aetos

# [prometheus_client]
# host = prometheus.example
# port = 9090
# fqdn_label = node
# instance_uuid_label = uuid

[aetos_client]
fqdn_label = node
instance_uuid_label = uuid

[watcher_clients_auth]
username = watcher
"""

_LABELS = _aetos(fqdn_label="node", instance_uuid_label="uuid")

_SAMPLE = """\
[aetos_client]

#
# From watcher
#

# Type of endpoint (string value)
#interface = public

# The label that Prometheus uses to store the fqdn of exporters. (string value)
#fqdn_label = fqdn

# The label that Prometheus uses to store the uuid of instances. (string value)
#instance_uuid_label = resource

[prometheus_client]

# The hostname or IP address for the prometheus server. (host address value)
#host = <None>
host = prometheus.example

# (string value)
#fqdn_label = fqdn
fqdn_label = host_name

[watcher_datasources]
# Datasources to use (list value)
#datasources = gnocchi,grafana,aetos
datasources = prometheus
"""

CASES = [
    Case("plain", {"watcher.conf": _PLAIN}, _LABELS, {"watcher.conf": _PLAIN_MOVED}),
    Case(
        "lines that end with CR LF",
        {"watcher.conf": _PLAIN.replace("\n", "\r\n").encode()},
        _LABELS,
        {"watcher.conf": _PLAIN_MOVED.replace("\n", "\r\n").encode()},
    ),
    Case(
        "lines that end with CR",
        {"watcher.conf": _PLAIN.replace("\n", "\r").encode()},
        _LABELS,
        {"watcher.conf": _PLAIN_MOVED.replace("\n", "\r").encode()},
    ),
    Case(
        "mixed line ends",
        {
            "watcher.conf": (
                b"[watcher_datasources]\r\ndatasources = prometheus\n\r[prometheus_client]\nhost=h\r\n"
            )
        },
        has={
            "watcher.conf": (
                b"[watcher_datasources]\r\ndatasources = aetos\n\r# [prometheus_client]\n# host=h\r\n"
            )
        },
    ),
    Case(
        "no line end at the end",
        {"watcher.conf": "[watcher_datasources]\ndatasources = prometheus"},
        has={"watcher.conf": "[watcher_datasources]\ndatasources = aetos"},
    ),
    Case(
        "no line end behind the section that is commented out",
        {"watcher.conf": _ON + "[prometheus_client]\nfqdn_label=node"},
        _aetos(fqdn_label="node"),
    ),
    Case(
        "others are kept, in their order",
        {"watcher.conf": "[watcher_datasources]\ndatasources = gnocchi, prometheus ,grafana\n"},
        _aetos("gnocchi", "aetos", "grafana"),
        {"watcher.conf": "[watcher_datasources]\ndatasources = gnocchi, aetos ,grafana\n"},
    ),
    Case(
        "both, which Watcher refuses",
        {"watcher.conf": "[watcher_datasources]\ndatasources = prometheus,gnocchi,aetos\n"},
        _aetos("aetos", "gnocchi"),
    ),
    Case(
        "a list on several lines",
        {"watcher.conf": "[watcher_datasources]\ndatasources =\n  gnocchi,\n\tprometheus,\n    grafana\nx=1"},
        _aetos("gnocchi", "aetos", "grafana"),
        {"watcher.conf": "[watcher_datasources]\ndatasources =\n  gnocchi,\n\taetos,\n    grafana\nx=1"},
    ),
    Case(
        "comments below and above a list on several lines",
        {
            "watcher.conf": "[watcher_datasources]\n# prometheus, for now\n; datasources = prometheus\n"
            "datasources = prometheus,\n  grafana\n# prometheus: see above\n"
        },
        _aetos("aetos", "grafana"),
        {
            "watcher.conf": "[watcher_datasources]\n# prometheus, for now\n; datasources = prometheus\n"
            "datasources = aetos,\n  grafana\n# prometheus: see above\n"
        },
    ),
    Case(
        "quotes and a colon",
        {"watcher.conf": '[watcher_datasources]\ndatasources:"prometheus, gnocchi"\n'},
        _aetos("aetos", "gnocchi"),
        {"watcher.conf": '[watcher_datasources]\ndatasources:"aetos, gnocchi"\n'},
    ),
    Case(
        "a comma at the end, and no spaces",
        {"watcher.conf": "[watcher_datasources]\ndatasources=prometheus,\n"},
        has={"watcher.conf": "[watcher_datasources]\ndatasources=aetos,\n"},
    ),
    Case(
        "a repeated key: the last one counts",
        {"watcher.conf": "[watcher_datasources]\ndatasources = gnocchi\ndatasources = prometheus\n"},
        has={"watcher.conf": "[watcher_datasources]\ndatasources = gnocchi\ndatasources = aetos\n"},
    ),
    Case(
        "a repeated section: the last one counts, whatever its case",
        {
            "watcher.conf": "[watcher_datasources]\ndatasources = grafana\n[api]\n[Watcher_Datasources]\n"
            "datasources = prometheus\n[PROMETHEUS_CLIENT]\nfqdn_label = a\n"
            "[prometheus_client]\nfqdn_label = b\n"
        },
        _aetos(fqdn_label="b"),
    ),
    Case(
        "a repeated section, of which one is empty",
        {
            "watcher.conf": "[prometheus_client]\n[watcher_datasources]\ndatasources = prometheus\n"
            "[prometheus_client]\n# nothing\n"
        },
    ),
    Case(
        "no section of the client",
        {"watcher.conf": _ON},
        _aetos(fqdn_label="fqdn", instance_uuid_label="resource"),
    ),
    Case(
        "the sample's comments stay beside what they tell",
        {"watcher.conf": _SAMPLE},
        _aetos(fqdn_label="host_name"),
    ),
    Case(
        "labels with quotes and spaces",
        {
            "watcher.conf": _ON + "[prometheus_client]\n"
            "fqdn_label = ' node '\ninstance_uuid_label = \"uuid\"\n"
        },
        _aetos(fqdn_label=" node ", instance_uuid_label="uuid"),
    ),
    Case(
        "a label with a dash in its name has no effect, before and after",
        {"watcher.conf": _ON + "[prometheus_client]\nfqdn-label = node\ninstance_uuid_label = uuid\n"},
        _aetos(fqdn_label="fqdn", instance_uuid_label="uuid"),
    ),
    Case(
        "the new section is there, with a label of its own",
        {
            "watcher.conf": "[aetos_client]\ninterface = internal\nfqdn_label = new\n[watcher_datasources]\n"
            "datasources = prometheus\n[prometheus_client]\nfqdn_label = old\ninstance_uuid_label = uuid\n"
        },
        _aetos(interface="internal", fqdn_label="new", instance_uuid_label="uuid"),
    ),
    Case(
        "strategies with datasources of their own",
        {
            "watcher.conf": "[watcher_datasources]\ndatasources = gnocchi\n"
            "[watcher_strategies.workload_balance]\ndatasources = prometheus\nperiod = 300\n"
            "[watcher_strategies.basic]\ndatasources = gnocchi,prometheus\n"
            "[watcher_strategies.noisy_neighbor]\ndatasources = grafana\n"
            "[prometheus_client]\nfqdn_label = node\n"
        },
        {
            **_aetos("gnocchi", fqdn_label="node"),
            ("watcher_strategies.workload_balance", "datasources"): ["aetos"],
            ("watcher_strategies.basic", "datasources"): ["gnocchi", "aetos"],
            ("watcher_strategies.noisy_neighbor", "datasources"): ["grafana"],
        },
    ),
    Case(
        "several files: edited where it counts",
        {
            "watcher.conf": "[watcher_datasources]\ndatasources = gnocchi\n[prometheus_client]\nhost = h\n",
            "site.conf": _ON,
        },
        has={
            "watcher.conf": "[watcher_datasources]\ndatasources = gnocchi\n"
            "# [prometheus_client]\n# host = h\n",
            "site.conf": _OFF,
        },
    ),
    Case(
        "several files: a label from each",
        {
            "watcher.conf": _ON + "[prometheus_client]\nfqdn_label = a\ninstance_uuid_label = uuid\n",
            "site.conf": "[prometheus_client]\nfqdn_label = b\n",
        },
        _aetos(fqdn_label="b", instance_uuid_label="uuid"),
    ),
    Case(
        "several files: the new section is in the last",
        {
            "watcher.conf": _ON + "[prometheus_client]\nfqdn_label = a\n",
            "site.conf": "[aetos_client]\nregion_name = two\n",
        },
        _aetos(fqdn_label="a", region_name="two"),
        {"site.conf": "[aetos_client]\nregion_name = two\nfqdn_label = a\n"},
    ),
    Case(
        "a folder: files in the order of their names, others not read",
        {
            "watcher.conf": "[watcher_datasources]\ndatasources = grafana\n",
            "conf.d/10-site.conf": "[watcher_datasources]\ndatasources = gnocchi\n",
            "conf.d/20-site.conf": _ON,
            "conf.d/30-site.conf.old": "[watcher_datasources]\ndatasources = grafana\n",
            "conf.d/.hidden.conf": "[watcher_datasources]\ndatasources = grafana\n",
        },
        has={
            "conf.d/10-site.conf": "[watcher_datasources]\ndatasources = gnocchi\n",
            "conf.d/30-site.conf.old": "[watcher_datasources]\ndatasources = grafana\n",
            "conf.d/.hidden.conf": "[watcher_datasources]\ndatasources = grafana\n",
        },
    ),
    Case(
        "the environment overrides the files",
        {"watcher.conf": _PLAIN},
        {**_LABELS, ("watcher_datasources", "datasources"): ["prometheus"]},
        {"watcher.conf": _PLAIN_MOVED},
        environ={"OS_WATCHER_DATASOURCES__DATASOURCES": "prometheus"},
        forced=True,
    ),
    Case(
        "the environment has moved already",
        {"watcher.conf": _PLAIN},
        _LABELS,
        {"watcher.conf": _PLAIN_MOVED},
        environ={"OS_WATCHER_DATASOURCES__DATASOURCES": "aetos"},
    ),
    Case(
        "the environment overrides a strategy",
        {"watcher.conf": _ON},
        {**MOVED, ("watcher_strategies.basic", "datasources"): ["gnocchi", "prometheus"]},
        environ={"OS_WATCHER_STRATEGIES.BASIC__DATASOURCES": "gnocchi,prometheus"},
        forced=True,
    ),
    Case(
        "a label from the environment",
        {"watcher.conf": _ON + "[prometheus_client]\nfqdn_label = a\n"},
        _aetos(fqdn_label="b"),
        environ={"OS_PROMETHEUS_CLIENT__FQDN_LABEL": "b"},
    ),
    Case(
        "not set in release 15: its default named prometheus",
        {"watcher.conf": "[prometheus_client]\nhost = h\nfqdn_label = node\n"},
        _aetos("gnocchi", "grafana", "aetos", fqdn_label="node"),
        release=15,
    ),
    Case(
        "not set in release 16: its default names aetos",
        {"watcher.conf": "[prometheus_client]\nhost = h\nfqdn_label = node\n[watcher_datasources]\n"},
        _aetos("gnocchi", "grafana", "aetos", fqdn_label="node"),
        release=16,
    ),
    Case("a read-only file", {"watcher.conf": _PLAIN}, _LABELS, {"watcher.conf": _PLAIN_MOVED}, mode=0o400),
    Case(
        "a symbolic link",
        {"real/watcher.conf.kept": _PLAIN, "watcher.conf -> real/watcher.conf.kept": None},
        _LABELS,
        {"real/watcher.conf.kept": _PLAIN_MOVED},
    ),
    Case(
        "the same file twice",
        {"watcher.conf": _PLAIN, "again.conf -> watcher.conf": None},
        _LABELS,
        {"watcher.conf": _PLAIN_MOVED},
    ),
    Case(
        "interface and region are asked for",
        {"watcher.conf": _PLAIN, "site.conf": "[aetos_client]\ninterface =  public\n"},
        _aetos(fqdn_label="node", interface="internal", region_name="RegionTwo"),
        {
            "site.conf": "[aetos_client]\ninterface =  internal\nfqdn_label = node\n"
            "instance_uuid_label = uuid\nregion_name = RegionTwo\n"
        },
        arguments=("--interface", "internal", "--region-name", "RegionTwo"),
    ),
    Case(
        "letters beyond ASCII, tabs, trailing spaces and control characters stay",
        {
            "watcher.conf": "# für alle \t \n[DEFAULT]  \nname =\tÅ \x0b\n\n[watcher_datasources]\t\n"
            "datasources\t=\tprometheus \t\n \t\n# \x0c\u2028 end\n"
        },
        has={
            "watcher.conf": "# für alle \t \n[DEFAULT]  \nname =\tÅ \x0b\n\n[watcher_datasources]\t\n"
            "datasources\t=\taetos \t\n \t\n# \x0c\u2028 end\n"
        },
    ),
    Case(
        "a commented-out section of the client after the new one",
        {
            "watcher.conf": "[aetos_client]\n# keep first\n\n# [prometheus_client]\n# fqdn_label = old\n"
            + _ON,
            "labels.conf": "[prometheus_client]\nfqdn_label = node\n",
        },
        _aetos(fqdn_label="node"),
    ),
    Case(
        "a reference in the new section is left to oslo.config",
        {"watcher.conf": "[DEFAULT]\nlabel = node\n[aetos_client]\nfqdn_label = $DEFAULT.label\n" + _ON},
        _aetos(instance_uuid_label="resource"),
    ),
]
