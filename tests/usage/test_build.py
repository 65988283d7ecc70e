"""What the exporter runs for its sources. No service is requested."""

from contextlib import ExitStack

import pytest

from chrysaetos.usage.build import build
from chrysaetos.usage.options import SOURCES, parse_options
from chrysaetos.usage.records import UsageError

pytest.importorskip("openstack")


@pytest.fixture
def built(tmp_path, monkeypatch):
    for name, value in (("AUTH_URL", "http://keystone.example/v3"), ("AUTH_TYPE", "v3applicationcredential")):
        monkeypatch.setenv(f"OS_{name}", value)
    monkeypatch.setenv("OS_APPLICATION_CREDENTIAL_ID", "id")
    monkeypatch.setenv("OS_APPLICATION_CREDENTIAL_SECRET", "secret")

    def run(*arguments):
        options = parse_options(["--state", str(tmp_path), *arguments], {})
        with ExitStack() as stack:
            return build(options, stack, lambda _: None)

    return run


def ledgers(directory):
    return sorted(path.name for path in directory.glob("*-*.sqlite"))


def test_by_default_only_servers_are_exported(built, tmp_path):
    exporter = built("--start", "2026-01-01")
    assert (len(exporter.counters), len(exporter.quotas)) == (1, 0)
    assert ledgers(tmp_path) == ["usage-20260101T000000Z.sqlite"]


def test_each_counted_source_has_its_own_ledger(built, tmp_path):
    exporter = built("--start", "2026-01-01", "--sources", ",".join(SOURCES))
    assert (len(exporter.counters), len(exporter.quotas)) == (3, 3)
    assert ledgers(tmp_path) == [
        f"{name}-20260101T000000Z.sqlite" for name in ("floating-ips", "usage", "volumes")
    ]
    page = exporter.exposition.render(0.0, compressed=False).decode()
    for source in SOURCES:
        assert f'usage_exporter_source_up{{source="{source}"}} 0.0' in page


@pytest.mark.parametrize("source", ["servers", "volumes", "floating-ips"])
def test_the_start_date_is_that_of_the_latest_ledger_of_any_source(built, tmp_path, source):
    built("--start", "2026-01-01", "--sources", "servers,volumes")
    built("--start", "2026-02-01", "--sources", source)
    built("--sources", "servers,volumes,floating-ips")
    assert len([name for name in ledgers(tmp_path) if "-20260201T" in name]) == 3


def test_a_file_that_is_not_a_ledger_is_named(built, tmp_path):
    (tmp_path / "volumes-old.sqlite").touch()
    with pytest.raises(UsageError, match=r"volumes-old\.sqlite is not a ledger: move it away"):
        built()


def test_a_ledger_of_all_projects_is_not_continued_for_one(built):
    built("--start", "2026-01-01")
    with pytest.raises(UsageError, match="give another --state"):
        built("--start", "2026-01-01", "--own-project")


def test_without_a_ledger_nothing_is_written(built, tmp_path):
    built("--stateless", "--sources", "servers,volumes")
    assert not list(tmp_path.iterdir())
