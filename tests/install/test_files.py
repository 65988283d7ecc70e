"""The files of an installation, and the folder ``deploy/``."""

from __future__ import annotations

import shutil
from pathlib import PurePosixPath

import pytest
import trustme
import yaml
from tests.support.commands import run
from tools.deploy import FOLDER, deploy_files

from chrysaetos.gateway.options import load_conf
from chrysaetos.gateway.settings import load_options
from chrysaetos.install.files import CONFIG, UNITS, installation_files
from chrysaetos.install.settings import ENGINES, Settings

MAX_EXPOSURE = 20
"""Of ``systemd-analyze security``, times ten: below 4.0 is "OK"."""


@pytest.fixture
def files():
    """A function that returns the text of each file by name."""

    def of(**settings):
        urls = {"keystone_url": "https://cloud.example/identity", "public_url": "https://cloud.example/m"}
        made = Settings(**{**urls, **settings})
        return {file.name: file.text for file in installation_files(made, PurePosixPath("/etc/c"), "secret")}

    return of


def test_the_folder_deploy_is_current():
    for file in deploy_files():
        assert (FOLDER / file.name).read_text() == file.text, "run: make samples"


@pytest.mark.parametrize("engine", ENGINES)
def test_the_gateway_accepts_the_configuration_of_each_engine(engine, files, tmp_path):
    texts = files(engine=engine, prometheus_url="https://[::1]/select/0/prometheus/")
    (tmp_path / CONFIG).write_text(texts[CONFIG])
    application, (upstream,) = load_options(load_conf(["--config-file", str(tmp_path / CONFIG)]))
    assert application.path_prefix == "/m"
    assert (upstream.host, upstream.port, upstream.path_prefix) == ("::1", 443, "/select/0/prometheus")
    assert upstream.tls is not None


def test_each_worker_is_scraped(files):
    config = yaml.safe_load(files(workers=3, metrics="[::1]:9200")["prometheus/scrape.yml"])
    (job,) = config["scrape_configs"]
    assert job["static_configs"][0]["targets"] == ["[::1]:9200", "[::1]:9201", "[::1]:9202"]


def test_the_path_of_the_catalog_is_in_the_check_of_haproxy(files):
    assert "uri /m/healthcheck" in files()["haproxy/haproxy.cfg"]
    assert "uri /healthcheck" in files(public_url="https://cloud.example")["haproxy/haproxy.cfg"]


def test_the_socket_is_for_the_proxy_on_this_machine(files):
    assert "SocketGroup=haproxy" in files()["systemd/chrysaetos-gateway.socket"]
    assert "SocketGroup=www-data" in files(proxy="nginx")["systemd/chrysaetos-gateway.socket"]
    assert "SocketGroup=chrysaetos" in files(proxy="none")["systemd/chrysaetos-gateway.socket"]
    assert "SocketGroup=www" in files(proxy_group="www")["systemd/chrysaetos-gateway.socket"]
    on_tcp = files(listen="192.0.2.1:8042")["systemd/chrysaetos-gateway.socket"]
    assert "ListenStream=192.0.2.1:8042" in on_tcp
    assert "SocketGroup" not in on_tcp


def test_the_certificate_is_below_the_folder_of_the_proxy(files):
    assert "crt /etc/haproxy/certs/metric-storage.pem" in files()["haproxy/haproxy.cfg"]
    own = "ssl_certificate_key /etc/nginx/certs/metric-storage.pem;"
    assert own in files(proxy="nginx")["nginx/metric-storage.conf"]
    assert (
        "ssl_certificate /c.pem;" in files(proxy="nginx", certificate="/c.pem")["nginx/metric-storage.conf"]
    )


def test_the_dashboard_shows_the_gateway(files):
    assert "chrysaetos_build_info" in files()["grafana/gateway.json"]


def test_the_proxy_uses_all_gateways(files):
    others = ("192.0.2.2:8042", "192.0.2.3:8042")
    haproxy = files(gateways=others, listen="192.0.2.1:8042")["haproxy/haproxy.cfg"]
    nginx = files(gateways=others, proxy="nginx")["nginx/metric-storage.conf"]
    assert [line.split()[2] for line in haproxy.splitlines() if "check inter" in line] == [
        "192.0.2.1:8042",
        *others,
    ]
    assert "server unix:/run/chrysaetos/gateway.sock;\n    server 192.0.2.2:8042;" in nginx


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_accepts_the_units(files, tmp_path):
    program = tmp_path / "chrysaetos"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    texts = files(program=str(program))
    for unit in UNITS:
        (tmp_path / unit).write_text(texts[f"systemd/{unit}"])
    done = run(["systemd-analyze", "verify", *(tmp_path / unit for unit in UNITS)])
    assert (done.out, done.err) == ("", "")
    service = tmp_path / UNITS[0]
    offline = ("--offline=true", f"--threshold={MAX_EXPOSURE}")
    assert "OK" in run(["systemd-analyze", "security", *offline, service]).out


LISTENERS = ("/run/chrysaetos/gateway.sock", "127.0.0.1:8042", "[::1]:8042", "localhost:8042")


@pytest.fixture
def certificate(tmp_path):
    """The path of a certificate with its key."""
    path = tmp_path / "tls.pem"
    trustme.CA().issue_cert("cloud.example").private_key_and_cert_chain_pem.write_to_path(path)
    return str(path)


@pytest.mark.parametrize("listen", LISTENERS)
def test_haproxy_accepts_its_configuration(listen, files, certificate, tmp_path):
    others = ("192.0.2.1:8042", "[2001:db8::1]:8042")
    text = files(listen=listen, gateways=others, certificate=certificate)["haproxy/haproxy.cfg"]
    (tmp_path / "haproxy.cfg").write_text(text)
    done = run(["/usr/sbin/haproxy", "-c", "-f", tmp_path / "haproxy.cfg"])
    assert done.status == 0, done.err
    assert "WARNING" not in done.err


@pytest.mark.parametrize("listen", LISTENERS)
def test_nginx_accepts_its_configuration(listen, files, certificate, tmp_path):
    settings = {"listen": listen, "gateways": ("192.0.2.1:8042", "[2001:db8::1]:8042"), "proxy": "nginx"}
    text = files(**settings, certificate=certificate, public_url="https://cloud.example:28443")
    (tmp_path / "site.conf").write_text(text["nginx/metric-storage.conf"])
    (tmp_path / "nginx.conf").write_text(
        f"pid {tmp_path}/pid; events {{}} http {{ access_log off; include {tmp_path}/site.conf; }}"
    )
    done = run(["/usr/sbin/nginx", "-e", "stderr", "-t", "-c", tmp_path / "nginx.conf"])
    assert done.status == 0, done.err
    assert "[warn]" not in done.err.replace('[warn] the "user" directive', "")


def test_promtool_accepts_the_job_and_the_rules(files, tmp_path):
    texts = files()
    for name in ("scrape.yml", "alerts.yml"):
        (tmp_path / name).write_text(texts[f"prometheus/{name}"])
    with (tmp_path / "scrape.yml").open("a") as config:
        config.write("rule_files: [alerts.yml]\n")
    assert "SUCCESS" in run(["promtool", "check", "config", tmp_path / "scrape.yml"]).out
