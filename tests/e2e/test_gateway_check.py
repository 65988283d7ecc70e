"""``chrysaetos gateway check``: mistakes planted in a set-up with a real Keystone, Prometheus and gateway."""

from __future__ import annotations

import json
import re
import socket
import ssl
import time
from configparser import ConfigParser
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from tests.e2e.engines import VICTORIA_METRICS
from tests.e2e.stack import Window
from tests.fakes.metrics_server import MetricsServer, Reply, success
from tests.support.commands import Output, call_main

from chrysaetos.cli.main import main
from chrysaetos.demo.gateway import Gateway
from chrysaetos.demo.identities import IdentityApi
from chrysaetos.demo.keystone import REGION, Keystone
from chrysaetos.demo.processes import LOOPBACK, free_port, wait_for
from chrysaetos.demo.prometheus import Prometheus
from chrysaetos.install.check.listening import listeners

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.fakes.metrics_server import Request

    from chrysaetos.demo.identities import Account

PREFIX = "/metric-storage"
OTHER_REGION = "RegionTwo"


def series(project: str) -> Iterator[str]:
    """Yield series of a project and of the operator, with samples of the last and the next 30 minutes."""
    names = {
        "ceilometer_cpu": f'{{project_id="{project}"}}',
        "cpu": f'{{project="{project}"}}',
        "node_load1": '{instance="compute-0:9100"}',
    }
    now = int(time.time())
    for name, labels in names.items():
        for moment in range(now - 1800, now + 1800, 60):
            yield f"{name}{labels} 1 {moment}\n"
    yield "# EOF\n"


class OpenPrometheus(Prometheus):
    """A Prometheus that listens on all addresses."""

    def command(self) -> list[str]:
        everywhere = f"--web.listen-address=0.0.0.0:{self.port}"
        return [everywhere if "listen-address" in word else word for word in super().command()]


@dataclass
class Site:
    """A set-up in which everything is right, until a test plants a mistake.

    Attributes:
        folder: a directory for the files of a test.
        conf: the configuration of the running gateway.
        identity: Keystone's API.
        project: the project of the gateway's user.
        prometheus: the store.
        cleanup: what is undone after the test.
    """

    folder: Path
    conf: ConfigParser
    identity: IdentityApi
    project: str
    prometheus: Prometheus
    cleanup: ExitStack = field(default_factory=ExitStack)

    def set(self, section: str, **options: Any) -> None:
        """Set options of the configuration."""
        if not self.conf.has_section(section):
            self.conf.add_section(section)
        for name, value in options.items():
            self.conf[section][name] = str(value)

    def write(self) -> Path:
        """Write the configuration."""
        path = self.folder / "aetos.conf"
        with path.open("w") as file:
            self.conf.write(file)
        if path.stat().st_mode & 0o077 and not getattr(self, "open_file", False):
            path.chmod(0o600)
        return path

    def use_server(self, url: str) -> None:
        """Let the gateway use another server than Prometheus."""
        host, _, port = url.rpartition("/")[2].rpartition(":")
        self.set("prometheus", host=host, port=port)

    def free_address(self) -> None:
        """Let the gateway listen where nothing listens."""
        self.set("gateway", port=free_port())

    def policy(self, text: str) -> None:
        """Write a policy file."""
        (self.folder / "policy.yaml").write_text(text)
        self.set("oslo_policy", policy_file=self.folder / "policy.yaml")

    def endpoint(self, **changes: str) -> None:
        """Change the public endpoint of the gateway in Keystone."""
        (service,) = self.identity.call("GET", "/services?type=metric-storage")["services"]
        path = f"/endpoints?service_id={service['id']}&interface=public"
        (endpoint,) = self.identity.call("GET", path)["endpoints"]
        before = {name: endpoint[name] for name in changes}
        path = f"/endpoints/{endpoint['id']}"
        self.cleanup.callback(self.identity.call, "PATCH", path, {"endpoint": before})
        self.identity.call("PATCH", path, {"endpoint": changes})


@pytest.fixture(scope="module")
def running() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture(scope="module")
def api(running, tmp_path_factory) -> IdentityApi:
    keystone = running.enter_context(Keystone(tmp_path_factory.mktemp("keystone")))
    api = IdentityApi(keystone.url, keystone.admin_password)
    running.callback(api.close)
    api.call("POST", "/regions", {"region": {"id": OTHER_REGION}})
    return api


@pytest.fixture(scope="module")
def account(api: IdentityApi) -> Account:
    return api.create_account("aetos", api.create_project("service"), "service", "service")


@pytest.fixture(scope="module")
def prometheus(running, account, tmp_path_factory) -> Prometheus:
    server = Prometheus(tmp_path_factory.mktemp("prometheus"))
    server.backfill(series(account.project_id))
    running.enter_context(server)
    return server


@pytest.fixture(scope="module")
def gateway(running, api, account, prometheus, tmp_path_factory) -> Gateway:
    port = free_port()
    api.register_endpoint("metric-storage", "aetos", f"http://{LOOPBACK}:{port}{PREFIX}")
    server = Gateway(
        tmp_path_factory.mktemp("gateway"),
        keystone_url=api.url,
        prometheus_url=prometheus.url,
        user=account.user,
        password=account.password,
        port=port,
        options={
            "gateway": {"path_prefix": PREFIX},
            "prometheus": {"metric_label_names": "ceilometer_*:project_id"},
        },
    )
    running.enter_context(server)
    return server


@pytest.fixture
def site(gateway, api, account, prometheus, tmp_path) -> Iterator[Site]:
    conf = ConfigParser(interpolation=None, default_section="none")
    conf.read(gateway.config_file)
    site = Site(tmp_path, conf, api, account.project_id, prometheus)
    with site.cleanup:
        yield site


@pytest.fixture
def check(site, account, capsys) -> Callable[..., Output]:
    """Run the command. Its output never has a secret."""

    def check(*arguments: str) -> Output:
        done = call_main(main, ["gateway", "check", f"--config-file={site.write()}", *arguments], capsys)
        assert account.password not in done.printed + done.err
        return done

    return check


def findings(done: Output) -> list[dict[str, str]]:
    return list(json.loads(done.printed)["findings"])


# The mistakes. Each function plants one.


def wrong_password(site: Site) -> None:
    site.set("keystone_authtoken", password="not-the-password")


def wrong_domain(site: Site) -> None:
    site.set("keystone_authtoken", user_domain_name="Elsewhere")


def wrong_auth_url(site: Site) -> None:
    site.set("keystone_authtoken", auth_url=site.conf["keystone_authtoken"]["auth_url"] + "/nowhere")


def keystone_ca_that_is_none(site: Site) -> None:
    (site.folder / "ca.pem").write_text("not a certificate\n")
    site.set("keystone_authtoken", cafile=site.folder / "ca.pem")


def missing_role(site: Site) -> None:
    account = site.identity.create_account("validator", site.project, "service", "reader")
    site.set("keystone_authtoken", username=account.user, password=account.password)


def keystone_down(site: Site) -> None:
    site.set("keystone_authtoken", auth_url=f"http://{LOOPBACK}:{free_port()}/v3")


def keystone_hangs(site: Site) -> None:
    listener = site.cleanup.enter_context(socket.create_server((LOOPBACK, 0)))
    port = listener.getsockname()[1]
    site.set("keystone_authtoken", auth_url=f"http://{LOOPBACK}:{port}/v3")


def wrong_region(site: Site) -> None:
    site.set("keystone_authtoken", region_name="RegionZero")


def endpoint_in_another_region(site: Site) -> None:
    site.endpoint(region_id=OTHER_REGION)


def no_endpoint(site: Site) -> None:
    (service,) = site.identity.call("GET", "/services?type=metric-storage")["services"]
    path = f"/services/{service['id']}"
    site.cleanup.callback(site.identity.call, "PATCH", path, {"service": {"enabled": True}})
    site.identity.call("PATCH", path, {"service": {"enabled": False}})


def endpoint_without_the_prefix(site: Site) -> None:
    port = site.conf["gateway"]["port"]
    site.endpoint(url=f"http://{LOOPBACK}:{port}")


def endpoint_of_the_api(site: Site) -> None:
    port = site.conf["gateway"]["port"]
    site.endpoint(url=f"http://{LOOPBACK}:{port}{PREFIX}/api/v1")


def prefix_before_the_start(site: Site) -> None:
    site.free_address()
    site.set("gateway", path_prefix="/metrics")
    site.endpoint(url=f"http://{LOOPBACK}:{free_port()}{PREFIX}")


def load_balancer_without_gateway(site: Site) -> None:
    server = MetricsServer([Reply(503, b"<html>503 Service Unavailable</html>")])
    site.cleanup.enter_context(server)
    site.endpoint(url=server.url + PREFIX)


def misspelt_option(site: Site) -> None:
    site.set("prometheus", project_label_nmae="project")


def misspelt_section(site: Site) -> None:
    site.set("gatway", workers=2)


def misspelt_required_option(site: Site) -> None:
    site.conf["keystone_authtoken"]["auth_typ"] = site.conf["keystone_authtoken"].pop("auth_type")


def invalid_value(site: Site) -> None:
    site.set("gateway", workers="many")


def no_authentication(site: Site) -> None:
    site.set("DEFAULT", auth_mode="noauth")


def insecure(site: Site) -> None:
    site.set("keystone_authtoken", insecure="true")


def few_connections(site: Site) -> None:
    site.set("prometheus", max_connections=20)


def misspelt_rule(site: Site) -> None:
    site.policy('"telemetry:qurey": "role:reader"\n')


def invalid_policy(site: Site) -> None:
    site.policy('"telemetry:query": [unclosed\n')


def missing_policy(site: Site) -> None:
    site.set("oslo_policy", policy_file=site.folder / "polcy.yaml")


def wide_policy(site: Site) -> None:
    site.policy('"telemetry:query:all_projects": "role:reader"\n')


def closed_policy(site: Site) -> None:
    site.policy('"telemetry:query": "role:metrics"\n')


def missing_ca(site: Site) -> None:
    site.set("prometheus", use_tls="true", ca_file=site.folder / "ca.pem")


def tls_store(site: Site, *names: str, days: float = 90) -> trustme.CA:
    """Let the gateway use a server with TLS that is called ``localhost``."""
    ca = trustme.CA()
    ends = datetime.now(UTC) + timedelta(days=days)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert(*names, not_after=ends).configure_cert(context)
    server = MetricsServer(lambda request: scalar(request, 0.0), tls=context)
    site.cleanup.enter_context(server)
    ca.cert_pem.write_to_path(site.folder / "ca.pem")
    port = server.url.rpartition(":")[2]
    site.set("prometheus", host="localhost", port=port, use_tls="true", ca_file=site.folder / "ca.pem")
    return ca


def scalar(request: Request, skew: float) -> Reply:
    """Return the reply of an engine whose clock is wrong, and which has no series."""
    if request.path != "/api/v1/query":
        return Reply(404, b"not found")
    value = [0, str(time.time() + skew)] if request.parameters["query"] == "time()" else []
    return success({"resultType": "scalar", "result": value})


def wrong_ca(site: Site) -> None:
    tls_store(site, "localhost")
    trustme.CA().cert_pem.write_to_path(site.folder / "ca.pem")


def certificate_of_another_host(site: Site) -> None:
    tls_store(site, "prometheus.example")


def certificate_that_expires(site: Site) -> None:
    tls_store(site, "localhost", days=3.5)


def tls_where_there_is_none(site: Site) -> None:
    site.set("prometheus", use_tls="true")


def prometheus_down(site: Site) -> None:
    site.set("prometheus", port=free_port())


def replica_down(site: Site) -> None:
    site.set("prometheus", replicas=f"{LOOPBACK}:{free_port()}")


def prometheus_below_another_path(site: Site) -> None:
    site.set("prometheus", path_prefix="/prometheus")


def not_prometheus(site: Site) -> None:
    site.use_server(site.identity.url.removesuffix("/v3"))


def wrong_credentials_for_prometheus(site: Site) -> None:
    site.use_server(site.cleanup.enter_context(MetricsServer([Reply(401, b"no org id")])).url)


def wrong_engine(site: Site) -> None:
    site.set("prometheus", engine="victoriametrics")


def prometheus_is_open(site: Site) -> None:
    server = OpenPrometheus(site.folder / "open")
    server.backfill(series(site.project))
    site.use_server(site.cleanup.enter_context(server).url)


def clock_is_wrong(site: Site) -> None:
    server = MetricsServer(lambda request: scalar(request, -120.0))
    site.use_server(site.cleanup.enter_context(server).url)


def label_of_no_series(site: Site) -> None:
    site.set("prometheus", project_label_name="tenant_id", metric_label_names="")


def metric_with_another_label(site: Site) -> None:
    site.set("prometheus", metric_label_names="")


def misspelt_metric(site: Site) -> None:
    site.set("prometheus", open_metrics="clod_status")


def no_series(site: Site) -> None:
    server = MetricsServer(lambda request: scalar(request, 0.0))
    site.use_server(site.cleanup.enter_context(server).url)


def port_taken(site: Site) -> None:
    server = site.cleanup.enter_context(MetricsServer([Reply(404, b"")]))
    site.set("gateway", port=server.url.rpartition(":")[2])


def address_of_another_machine(site: Site) -> None:
    site.set("gateway", host="192.0.2.1")


def metrics_port_taken(site: Site) -> None:
    site.free_address()
    server = site.cleanup.enter_context(MetricsServer([Reply(404, b"")]))
    site.set("gateway", metrics_port=server.url.rpartition(":")[2])


def no_directory_for_the_socket(site: Site) -> None:
    site.set("gateway", unix_socket=site.folder / "missing" / "gateway.sock")


def memcached_down(site: Site) -> None:
    site.set("keystone_authtoken", memcached_servers=f"{LOOPBACK}:{free_port()}")


def not_memcached(site: Site) -> None:
    site.set("keystone_authtoken", memcached_servers=site.prometheus.url.removeprefix("http://"))


def readable_password(site: Site) -> None:
    site.open_file = True  # type: ignore[attr-defined]
    site.write().chmod(0o644)


def no_directory_for_the_audit_log(site: Site) -> None:
    site.set("gateway", audit_file=site.folder / "missing" / "audit.log")


MISTAKES: tuple[tuple[Callable[[Site], None], str, str, str, str], ...] = (
    (wrong_password, "failed", "keystone", "rejected the credentials", "username, password"),
    (wrong_domain, "failed", "keystone", "rejected the credentials", "the domains"),
    (wrong_auth_url, "failed", "keystone", "/nowhere", "auth_url"),
    (keystone_ca_that_is_none, "failed", "keystone", "[keystone_authtoken] cafile", "a PEM file"),
    (missing_role, "failed", "validation", "validator has no role", "openstack role add"),
    (keystone_down, "failed", "keystone", "Unable to establish connection", "auth_url"),
    (keystone_hangs, "failed", "keystone", "does not answer within 5 s", "Keystone"),
    (wrong_region, "failed", "validation", "no endpoint of Keystone in region RegionZero", "region_name"),
    (endpoint_in_another_region, "failed", "catalog", "in region RegionTwo, but not in", "endpoint create"),
    (no_endpoint, "failed", "catalog", "no service has the type metric-storage", "service create"),
    (endpoint_without_the_prefix, "failed", "catalog", "is not [gateway] path_prefix", "remove"),
    (endpoint_of_the_api, "failed", "catalog", "requests get 404", f"set --url http://{LOOPBACK}"),
    (prefix_before_the_start, "warning", "catalog", "path_prefix (/metrics)", f"path_prefix = {PREFIX}"),
    (load_balancer_without_gateway, "failed", "catalog", "returns 503", "load balancer"),
    (misspelt_option, "warning", "configuration", "[prometheus] project_label_nmae", "project_label_name?"),
    (misspelt_section, "warning", "configuration", "the section [gatway]", "[gateway]?"),
    (misspelt_required_option, "warning", "configuration", "[keystone_authtoken] auth_typ", "auth_type?"),
    (invalid_value, "failed", "configuration", "[gateway] workers", "does not start"),
    (no_authentication, "warning", "authentication", "auth_mode is noauth", "auth_mode = keystone"),
    (insecure, "warning", "authentication", "insecure is true", "cafile"),
    (few_connections, "warning", "limits", "max_connections is 20", "200 or more"),
    (misspelt_rule, "warning", "policy", "telemetry:qurey does not exist", "telemetry:query?"),
    (invalid_policy, "failed", "configuration", "policy_file cannot be used", "correct"),
    (missing_policy, "failed", "configuration", "there is no file", "check the path"),
    (wide_policy, "failed", "policy", "telemetry:query:all_projects", "role:admin"),
    (closed_policy, "warning", "policy", "may not query their own series", "telemetry:query"),
    (missing_ca, "failed", "configuration", "[prometheus] ca_file", "check the path"),
    (wrong_ca, "failed", "prometheus", "a certificate that is not accepted", "ca_file"),
    (certificate_of_another_host, "failed", "prometheus", "Hostname mismatch", "a name in the certificate"),
    (certificate_that_expires, "warning", "certificates", "expires in 3 days", "renew"),
    (tls_where_there_is_none, "failed", "prometheus", "TLS handshake", "with TLS"),
    (prometheus_down, "failed", "prometheus", "connection refused", "host and port"),
    (replica_down, "failed", "prometheus", "connection refused", "host and port"),
    (prometheus_below_another_path, "failed", "prometheus", "no API at /prometheus/api/v1", "path_prefix"),
    (not_prometheus, "failed", "prometheus", "no API at /api/v1", "port"),
    (wrong_credentials_for_prometheus, "failed", "prometheus", "rejects the gateway with 401", "password"),
    (wrong_engine, "warning", "prometheus", "is Prometheus", "engine = prometheus"),
    (prometheus_is_open, "warning", "exposure", "Prometheus listens on ::", "--web.listen-address=127.0.0.1"),
    (clock_is_wrong, "warning", "clock", "120 s behind", "NTP"),
    (label_of_no_series, "warning", "labels", "has the label tenant_id", "project and project_id"),
    (metric_with_another_label, "warning", "labels", "project_id", "ceilometer_cpu:project_id"),
    (misspelt_metric, "warning", "labels", "no series has the name clod_status", "correct the name"),
    (no_series, "warning", "labels", "no series", "scrapes"),
    (port_taken, "failed", "address", "another process listens", "ss -tlnp"),
    (address_of_another_machine, "failed", "address", "192.0.2.1", "an address of this machine"),
    (metrics_port_taken, "failed", "address", "metrics_port", "another metrics_port"),
    (no_directory_for_the_socket, "failed", "address", "unix_socket", "create the directory"),
    (memcached_down, "warning", "memcached", "connection refused", "memcached is running"),
    (not_memcached, "warning", "memcached", "does not answer like memcached", "memcached_servers"),
    (readable_password, "warning", "permissions", "everybody can read", "chmod 0640"),
    (no_directory_for_the_audit_log, "failed", "logs", "audit_file", "create it"),
)


@pytest.mark.parametrize("mistake", MISTAKES, ids=[each[0].__name__ for each in MISTAKES])
def test_a_mistake_is_found_with_what_to_do(site, check, mistake):
    plant, status, subject, found, remedy = mistake
    plant(site)
    before = time.monotonic()
    done = check("-f", "json")
    assert time.monotonic() - before < 15
    matching = [
        finding
        for finding in findings(done)
        if (finding["status"], finding["check"]) == (status, subject)
        and found in finding["found"]
        and remedy in finding["remedy"]
    ]
    assert len(matching) == 1, done.printed
    assert done.status == int(any(each["status"] == "failed" for each in findings(done)))
    assert all(finding["remedy"] for finding in findings(done))


def test_a_correct_installation_has_no_finding_while_the_gateway_runs(check):
    done = check("--strict")
    assert done.out.startswith("errors: 0, warnings: 0, passed: ")


def test_a_correct_installation_has_no_finding_before_the_gateway_starts(site, check):
    site.free_address()
    site.endpoint(url=f"http://{LOOPBACK}:{free_port()}{PREFIX}")
    assert findings(check("--strict", "-f", "json")) == []


def test_what_init_writes_has_no_finding(site, capsys):
    public = f"https://{LOOPBACK}:{free_port()}{PREFIX}"
    directory = site.folder / "new"
    options = {
        "keystone-url": site.identity.url,
        "public-url": public,
        "prometheus-url": site.prometheus.url,
        "service-user": "from-init",
        "region": REGION,
        "listen": f"{LOOPBACK}:{free_port()}",
        "metrics": f"{LOOPBACK}:{free_port()}",
        "proxy": "none",
    }
    arguments = [f"--{name}={value}" for name, value in options.items()]
    assert call_main(main, ["gateway", "init", str(directory), "--yes", *arguments], capsys).status == 0
    conf = ConfigParser(interpolation=None)
    conf.read(directory / "aetos.conf")
    user = site.identity.create_user("from-init", conf["keystone_authtoken"]["password"])
    site.identity.grant(user, "service", on=f"/projects/{site.project}")
    site.endpoint(url=public)
    # The exporter's metric has the project in a label that only this store has.
    with (directory / "aetos.conf").open("a") as file:
        file.write("[prometheus]\nmetric_label_names = ceilometer_*:project_id\n")
    command = ["gateway", "check", f"--config-file={directory}/aetos.conf", "--strict"]
    done = call_main(main, command, capsys)
    assert done.out.startswith("errors: 0, warnings: 0, passed: ")


@pytest.mark.parametrize("engine", VICTORIA_METRICS, ids=str)
def test_victoria_metrics_is_recognized(site, check, engine):
    server = engine.start(
        site.cleanup, site.folder / "store", series(site.project), Window.around(time.time())
    )
    site.use_server(server.url)
    (finding,) = findings(check("-f", "json"))
    assert finding["remedy"] == "set engine = victoriametrics in [prometheus]"
    site.set("prometheus", engine="victoriametrics")
    report = check("-v", "-f", "json").json["findings"]
    assert {each["status"] for each in report} == {"ok"}
    assert any("projects can read 2 of 3 series" in each["found"] for each in report)


def test_a_gateway_behind_a_proxy_with_the_proxy_protocol_is_recognized(site, check, account):
    proxied = {"proxy_protocol": "true", "trusted_proxies": LOOPBACK}
    server = Gateway(
        site.folder / "proxied",
        keystone_url=site.identity.url,
        prometheus_url=site.prometheus.url,
        user=account.user,
        password=account.password,
        options={"gateway": proxied},
    )
    site.cleanup.callback(server.stop)
    server.start()
    assert wait_for(lambda: bool(listeners(server.port)), timeout=20)
    site.set("gateway", port=server.port, **proxied)
    own = [each for each in check("-v", "-f", "json").json["findings"] if each["check"] == "address"]
    assert [each["found"] for each in own] == [f"a gateway listens on {LOOPBACK} port {server.port}"]


def test_verbose_shows_what_is_right_and_what_example_callers_may_do(check):
    report = check("-v", "-f", "json").json
    assert {finding["status"] for finding in report["findings"]} == {"ok"}
    assert any("projects can read 2 of 3 series" in finding["found"] for finding in report["findings"])
    assert any("node_load1 (1)" in finding["found"] for finding in report["findings"])
    (cpu,) = (row for row in report["labels"] if row["metric"] == "ceilometer_cpu")
    assert cpu == {"metric": "ceilometer_cpu", "label": "project_id", "series with it": "1", "without": "0"}
    (query,) = (row for row in report["policy"] if row["endpoint"] == "query")
    assert {name: query[name] for name in ("reader", "member", "admin", "service", "system reader")} == {
        "reader": "own",
        "member": "own",
        "admin": "all",
        "service": "all",
        "system reader": "-",
    }
    table = check("-v").out
    assert "node_load1" in table
    assert "telemetry:query" in table


def test_strict_fails_for_warnings(site, check):
    misspelt_option(site)
    assert check().status == 0
    assert check("--strict").status == 1


def test_offline_asks_no_server(site, check):
    with MetricsServer([Reply(500, b"")]) as server:
        site.use_server(server.url)
        site.set("keystone_authtoken", auth_url=server.url, memcached_servers=server.url.rpartition("/")[2])
        site.set("gateway", port=server.url.rpartition(":")[2])
        misspelt_option(site)
        done = check("--offline", "-f", "json")
        assert server.connections == 0
    assert done.status == 0
    assert [finding["found"].rpartition(": ")[2] for finding in findings(done)] == [
        "nothing reads [prometheus] project_label_nmae"
    ]


def test_nothing_is_changed(site, check):
    site.set("gateway", audit_file=site.folder / "audit.log")
    site.set("DEFAULT", log_file=site.folder / "gateway.log")
    site.free_address()
    assert check().status == 0
    assert [path.name for path in site.folder.iterdir()] == ["aetos.conf"]


PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "troubleshooting.md"


def test_each_check_is_in_the_page_for_troubleshooting():
    named = set(re.findall(r"^\| `(\w+)` \|", PAGE.read_text(), re.MULTILINE))
    assert named == {subject for _, _, subject, _, _ in MISTAKES} | {"interpreter"}


def test_the_page_for_troubleshooting_shows_the_output(site, check):
    wrong_password(site)
    misspelt_option(site)
    printed = check().printed.replace(str(site.folder), "/etc/chrysaetos")
    (shown,) = re.findall(r"```text\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert sorted(printed.splitlines()[:-1]) == sorted(shown.splitlines()[:-1])
    assert printed.splitlines()[-1].startswith("errors: 1, warnings: 1, passed: ")
