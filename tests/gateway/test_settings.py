"""The options of the application and of the upstream."""

import base64
import ssl

import pytest
import trustme

from chrysaetos.errors import ConfigError
from chrysaetos.gateway.options import load_conf
from chrysaetos.gateway.settings import load_labels, load_options
from chrysaetos.tenancy.labels import LabelTable


@pytest.fixture
def configured(tmp_path):
    """Call it with the text of a configuration file; it returns the options of application and upstream."""

    def load(text):
        file = tmp_path / "aetos.conf"
        file.write_text(text)
        return load_options(load_conf(["--config-file", str(file)]))

    return load


def test_everything_has_a_default_that_works_for_one_machine(configured):
    application, (upstream,) = configured("")
    assert (upstream.host, upstream.port, upstream.tls) == ("localhost", 9090, None)
    assert upstream.static_headers == ()
    assert application.path_prefix == ""
    assert application.bounds.bytes == 256 * 1024
    assert application.max_body_bytes == 1024 * 1024
    assert (application.max_read_bytes, application.max_filtered_bytes) == (1 << 20, 1 << 24)


@pytest.mark.parametrize(("engine", "warns"), [("prometheus", False), ("thanos", True)])
def test_an_engine_that_reads_other_servers_may_warn_of_them(configured, engine, warns):
    application, _ = configured(f"[prometheus]\nengine = {engine}\n")
    assert application.engine_warns_of_stores is warns


def test_a_configuration_of_aetos_works_as_it_is(configured, tmp_path):
    ca = trustme.CA()
    pair = ca.issue_cert("metrics.example")
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    pair.private_key_pem.write_to_path(tmp_path / "key.pem")
    pair.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    _, (upstream,) = configured(
        f"""
[DEFAULT]
auth_mode = keystone
paste_config = api-paste.ini
debug = false
[prometheus]
host = metrics.example
port = 9443
use_tls = true
ca_file = {tmp_path}/ca.pem
cert_file = {tmp_path}/cert.pem
key_file = {tmp_path}/key.pem
username = gateway
password = p:w
project_label_name = tenant_id
[cors]
allowed_origin = https://dashboard.example
"""
    )
    assert (upstream.host, upstream.port) == ("metrics.example", 9443)
    assert upstream.tls.verify_mode is ssl.CERT_REQUIRED
    assert upstream.tls.check_hostname
    assert upstream.static_headers == (
        ("Authorization", "Basic " + base64.b64encode(b"gateway:p:w").decode()),
    )


def test_the_limits_are_configurable(configured):
    application, (upstream,) = configured(
        """
[gateway]
path_prefix = /metric-storage
max_query_bytes = 100
max_query_depth = 7
max_url_bytes = 2000
max_body_bytes = 3000
max_read_bytes = 4000
max_filtered_bytes = 70000
[prometheus]
path_prefix = /prom/one
timeout = 2.5
max_connections = 3
"""
    )
    assert application.path_prefix == "/metric-storage"
    assert (application.bounds.bytes, application.bounds.depth) == (100, 7)
    assert (application.max_url_bytes, application.max_body_bytes) == (2000, 3000)
    assert (application.max_read_bytes, application.max_filtered_bytes) == (4000, 70_000)
    assert application.timeout == 2.5
    assert (upstream.path_prefix, upstream.max_connections) == ("/prom/one", 3)


@pytest.mark.parametrize(
    ("text", "option"),
    [
        ("[prometheus]\nport = 99999", "port"),
        ("[prometheus]\nport = no", "port"),
        ("[prometheus]\nuse_tls = maybe", "use_tls"),
        ("[prometheus]\nuse_tls = true\nca_file = /nonexistent", "ca_file"),
        ("[prometheus]\nuse_tls = true\ncert_file = /nonexistent", "cert_file and key_file"),
        ("[prometheus]\nuse_tls = true\ncert_file = /no\nkey_file = /no", "cert_file or key_file"),
        ("[prometheus]\nusername = gateway", "username and password"),
        ("[prometheus]\nproject_label_name =", "project_label_name"),
        ("[prometheus]\nproject_label_name = __name__", "project_label_name"),
        ("[prometheus]\npath_prefix = prom", "[prometheus] path_prefix"),
        ("[gateway]\npath_prefix = /a/", "[gateway] path_prefix"),
        ("[gateway]\npath_prefix = /a?b", "[gateway] path_prefix"),
        ("[gateway]\nmax_query_depth = 100000", "max_query_depth"),
        ("[gateway]\nmax_filtered_bytes = 1000", "max_filtered_bytes"),
        ("[gateway]\nmax_filtered_bytes = 9999999999", "max_filtered_bytes"),
        ("[gateway]\nmax_read_bytes = 1", "max_read_bytes"),
        ("[gateway]\nmax_read_bytes = 999999999", "max_read_bytes"),
        ("[gateway]\nworkers = 0", "workers"),
        ("[DEFAULT]\nauth_mode = none", "auth_mode"),
        ("[prometheus]\nreplicas = other", "[prometheus] replicas"),
        ("[prometheus]\nmetric_label_names = a.*:x", "metric_label_names"),
        ("[prometheus]\nmetric_label_names = a:", "metric_label_names"),
        ("[prometheus]\nmetric_label_names = a:__name__", "metric_label_names"),
        ("[prometheus]\nopen_metrics = *", "open_metrics"),
        ("[prometheus]\nreplicas = other:0", "[prometheus] replicas"),
        ("[prometheus]\nheaders = X-Scope-OrgID", "[prometheus] headers"),
        ("[cors]\nallowed_origin = https://a.example/", "[cors] allowed_origin"),
        ("[cors]\nallowed_origin = https://a.example:443", "[cors] allowed_origin"),
        ("[cors]\nallowed_origin = http://a.example:99999", "[cors] allowed_origin"),
        ("[cors]\nallowed_origin = https://A.example", "[cors] allowed_origin"),
        ("[cors]\nallowed_origin = a.example", "[cors] allowed_origin"),
        ("[cors]\nallowed_origin = https://*.example", "[cors] allowed_origin"),
        (
            "[cors]\nallowed_origin = https://a.example, *",
            "[cors] allowed_origin: * requires allow_credentials",
        ),
        ("[cors]\nallow_credentials = maybe", "[cors] allow_credentials"),
        ("[cors]\nmax_age = -1", "[cors] max_age"),
        ("[cors]\nallow_methods = get", "[cors] allow_methods"),
        ("[cors]\nallow_headers = X-A: b", "[cors] allow_headers"),
        ("[cors]\nexpose_headers = X A", "[cors] expose_headers"),
        ("no section", "configuration"),
    ],
)
def test_an_invalid_value_is_rejected_naming_its_option(configured, text, option):
    with pytest.raises(ConfigError) as caught:
        configured(text)
    assert option in str(caught.value)


def test_replicas_have_the_options_of_the_first_server(configured):
    _, upstreams = configured(
        """
[prometheus]
host = one
replicas = two:9091, [2001:db8::1]:9092
headers = X-Scope-OrgID:cloud,X-Other:b
path_prefix = /prom
"""
    )
    assert [(each.host, each.port) for each in upstreams] == [
        ("one", 9090),
        ("two", 9091),
        ("2001:db8::1", 9092),
    ]
    assert {each.path_prefix for each in upstreams} == {"/prom"}
    assert {each.static_headers for each in upstreams} == {(("X-Scope-OrgID", "cloud"), ("X-Other", "b"))}


def test_labels_by_metric(tmp_path):
    file = tmp_path / "aetos.conf"
    file.write_text(
        "[prometheus]\nproject_label_name = tenant_id\n"
        "metric_label_names = ceilometer_*:project_id,cpu:project\nopen_metrics = cloud_status, public_*\n"
    )
    label, table = load_labels(load_conf(["--config-file", str(file)]))
    assert label == "tenant_id"
    assert table == LabelTable.of(
        {"ceilometer_*": "project_id", "cpu": "project"}, ["cloud_status", "public_*"]
    )
