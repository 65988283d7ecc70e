"""The rules for Watcher, in addition to the table of cases."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.migrate.cases import CASES

from chrysaetos.findings import Status, worst
from chrysaetos.migrate.clouds import verify_values
from chrysaetos.migrate.conffile import ConfFile
from chrysaetos.migrate.errors import MigrateError
from chrysaetos.migrate.layers import Layers, split_list
from chrysaetos.migrate.watcher import LABELS, labels, make_plan, strategy_groups
from chrysaetos.migrate.watcher_releases import release_of

ON = "[watcher_datasources]\ndatasources = prometheus\n"


def planned(*texts, environ=None, release=17, **wanted):
    files = [ConfFile(f"{number}.conf", text.encode()) for number, text in enumerate(texts)]
    return make_plan(Layers(files, environ or {}), release=release_of(release), **wanted)


def findings(plan):
    return {(finding.check, finding.status.value): finding for finding in plan.findings}


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_moved_configuration_needs_no_move(case):
    texts = [
        content if isinstance(content, bytes) else content.encode()
        for content in case.files.values()
        if content
    ]
    layers = Layers([ConfFile(str(n), text) for n, text in enumerate(texts)], {})
    once = make_plan(layers, release=release_of(case.release))
    again = make_plan(once.after, release=release_of(case.release))
    assert again.contents == {}
    assert again.steps == ()
    assert again.expected == once.expected


def test_every_change_is_described_with_its_location():
    plan = planned(
        ON + "[watcher_strategies.basic]\ndatasources=prometheus\n",
        "[prometheus_client]\nfqdn_label = n\n",
        interface="internal",
    )
    assert plan.steps == (
        "0.conf:2 [watcher_datasources] datasources: prometheus is replaced by aetos",
        "0.conf:4 [watcher_strategies.basic] datasources: prometheus is replaced by aetos",
        "1.conf [aetos_client] fqdn_label = n, from 1.conf:2",
        "1.conf [aetos_client] interface = internal",
        "1.conf:1 [prometheus_client] is commented out",
    )


def test_the_effective_labels_are_copied():
    plan = planned(ON, "[prometheus_client]\nfqdn_label = n\n")
    assert labels(plan.after) == {"fqdn_label": "n", "instance_uuid_label": "resource"}


def test_different_labels_in_both_sections_are_a_warning():
    plan = planned(ON + "[prometheus_client]\nfqdn_label = a\n[aetos_client]\nfqdn_label = b\n")
    found = findings(plan)["labels", "warning"]
    assert "0.conf:6: [aetos_client] fqdn_label is b" in found.found
    assert worst(planned(ON + "[aetos_client]\nfqdn_label = b\n").findings) is Status.OK


@pytest.mark.parametrize(
    ("release", "names", "found", "remedy"),
    [
        (17, "ceilometer,prometheus", "ceilometer, which Watcher 17", "remove it; Watcher 17 has gnocchi"),
        (17, "Prometheus", "Prometheus, which Watcher 17", "write prometheus"),
        (17, "monasca,aetos", "monasca, which Watcher 17", "has gnocchi, grafana, prometheus, aetos"),
        (16, "aetos,monasca", "monasca, which Watcher 16", "has gnocchi, grafana, prometheus, aetos"),
        (14, "aetos", "aetos, which Watcher 14", "has gnocchi, monasca, grafana, prometheus"),
        (None, "aetos,tsdb", "tsdb, which Watcher", "monasca"),
    ],
)
def test_a_datasource_that_the_release_does_not_accept_is_one_error(release, names, found, remedy):
    plan = planned(ON.replace("prometheus", names), release=release)
    errors = [finding for finding in plan.findings if finding.status is Status.FAILED]
    text = f"0.conf:2: [watcher_datasources] datasources has {found} does not accept"
    assert [error.found for error in errors] == [text]
    assert remedy in errors[0].remedy


def test_a_datasource_that_later_releases_do_not_accept_is_a_warning():
    plan = planned(ON.replace("prometheus", "monasca,prometheus"), release=15)
    assert "monasca, which later releases" in findings(plan)["datasources", "warning"].found
    assert plan.expected["watcher_datasources", "datasources"] == ["monasca", "aetos"]


def test_an_option_that_does_not_exist_is_a_warning():
    plan = planned(
        ON + "[aetos_client]\nfqdn-label = a\nendpoint_type = internalURL\nhost = h\nmax_series = 5\n"
        "Region_Name = R\n"
        "[other]\nfqdn-label = b\n[prometheus_client]\nfqdn-label = c\ngrouped_queries = true\n"
    )
    ignored = {f.found.partition(" has")[0]: f.remedy for f in plan.findings if f.check == "ignored"}
    assert ignored == {
        "0.conf:4: [aetos_client] fqdn-label": "write fqdn_label = a, or remove it",
        "0.conf:5: [aetos_client] endpoint_type": "write interface = internal, or remove it",
        "0.conf:6: [aetos_client] host": "remove it; the options are fqdn_label, instance_uuid_label, "
        "interface, region_name",
        "0.conf:8: [aetos_client] Region_Name": "write region_name = R, or remove it",
        "0.conf:12: [prometheus_client] fqdn-label": "write fqdn_label = c, or remove it",
    }


def test_variables_of_the_old_section_are_a_warning():
    plan = planned(ON, environ={"OS_PROMETHEUS_CLIENT__HOST": "h", "OS_OTHER__HOST": "h"})
    assert findings(plan)["environment", "warning"].found.startswith("OS_PROMETHEUS_CLIENT__HOST set ")


@pytest.mark.parametrize(
    ("value", "remedy"),
    [("internalUrl", "write internal"), ("Admin", "write admin"), ("x", "write public, internal, admin")],
)
@pytest.mark.parametrize("datasource", ["prometheus", "aetos"])
def test_an_interface_that_watcher_does_not_accept_is_an_error(value, remedy, datasource):
    conf = f"[watcher_datasources]\ndatasources = {datasource}\n[aetos_client]\ninterface = {value}\n"
    error = findings(planned(conf))["interface", "failed"]
    assert error.found == f"0.conf:4: [aetos_client] interface is {value}, which Watcher does not accept"
    assert error.remedy == remedy
    assert ("interface", "failed") not in findings(planned(conf, interface="internal"))
    assert ("interface", "failed") not in findings(planned(conf.replace(value, "internalURL")))
    assert ("interface", "failed") in findings(planned(ON, environ={"OS_AETOS_CLIENT__INTERFACE": value}))


def test_an_interface_from_the_environment_cannot_be_changed_by_a_file():
    environ = {"OS_AETOS_CLIENT__INTERFACE": "admin"}
    assert ("environment", "failed") in findings(planned(ON, environ=environ, interface="internal"))
    assert ("environment", "failed") not in findings(planned(ON, environ=environ, interface="admin"))


def test_strategies_are_found_whatever_their_case():
    layers = Layers(
        [ConfFile("f", b"[Watcher_Strategies.Basic]\ndatasources=a\n[watcher_strategies.x]\n")], {}
    )
    assert strategy_groups(layers) == ["watcher_strategies.basic"]


def test_only_a_strategy_uses_prometheus():
    plan = planned(
        "[watcher_datasources]\ndatasources=gnocchi\n[watcher_strategies.basic]\ndatasources=prometheus\n"
        "[prometheus_client]\nhost=h\n"
    )
    assert len(plan.steps) == 2
    assert plan.expected["watcher_datasources", "datasources"] == ["gnocchi"]


@pytest.mark.parametrize("release", [15, 14, 13])
def test_the_moved_default_is_valid_after_an_upgrade(release):
    plan = planned("[prometheus_client]\nhost=h\n", release=release)
    moved = plan.expected["watcher_datasources", "datasources"]
    assert moved == ["gnocchi", "grafana", "aetos"]
    assert set(moved) <= set(release_of(17).datasources)


def test_monasca_stays_where_it_is_configured():
    plan = planned("[monasca_client]\ninterface=public\n[prometheus_client]\nhost=h\n", release=15)
    assert plan.expected["watcher_datasources", "datasources"] == ["gnocchi", "monasca", "grafana", "aetos"]


def test_a_label_on_several_lines_is_rejected():
    with pytest.raises(MigrateError, match=r"0\.conf:4: \[prometheus_client\] fqdn_label .* several lines"):
        planned(ON + "[prometheus_client]\nfqdn_label = a\n  b\n")


LINES = (
    "[watcher_datasources]",
    "[prometheus_client]",
    "[aetos_client]",
    "[watcher_strategies.basic]",
    "[other]",
    "datasources = prometheus",
    "datasources = gnocchi,prometheus,aetos",
    "datasources: grafana,\n\tprometheus,\n gnocchi",
    "datasources = 'gnocchi'",
    "fqdn_label = a",
    "fqdn_label = ' b '",
    "#fqdn_label = c",
    "instance_uuid_label=d\n\n",
    "# a comment\n\n; another",
    "host = h\n  i",
)
texts = st.lists(st.sampled_from(LINES), max_size=9).map(lambda lines: "\n".join(["[first]", *lines]))


@given(st.lists(texts, min_size=1, max_size=3), st.sampled_from(["\n", "\r\n"]))
def test_the_move_is_right_for_generated_files(tmp_path_factory, contents, end):
    files = [ConfFile(str(n), text.replace("\n", end).encode()) for n, text in enumerate(contents)]
    layers = Layers(files, {})
    plan = make_plan(layers, release=release_of(17))

    for group in ("watcher_datasources", "watcher_strategies.basic"):
        setting = layers.find(group, "datasources")
        if setting is not None:
            wanted = ["aetos" if name == "prometheus" else name for name in split_list(setting.value)]
            assert plan.expected[group, "datasources"] == list(dict.fromkeys(wanted))
    if plan.contents:
        assert not plan.after.files_with("prometheus_client")
        for key, default in LABELS.items():
            source = layers.find("aetos_client", key) or layers.find("prometheus_client", key)
            assert labels(plan.after)[key] == (source.value if source else default)
    assert make_plan(plan.after, release=release_of(17)).contents == {}
    others = ("first", "other")
    for old, new in zip(files, plan.after.files, strict=True):
        kept = [[o.value for o in file.options if o.section in others] for file in (old, new)]
        assert kept[0] == kept[1]

    folder = tmp_path_factory.getbasetemp()
    paths = [folder / f"move-{file.name}.conf" for file in plan.after.files]
    for path, file in zip(paths, plan.after.files, strict=True):
        path.write_bytes(file.data)
    verify_values("watcher", paths, plan.expected)
