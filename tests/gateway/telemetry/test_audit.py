"""The audit log: the content of a record, and that it is always a single line."""

import json
import logging
import re
import stat
from typing import Any

import pytest
from tests.support.memory import MIB, kept_bytes, large_caller

from chrysaetos.errors import ConfigError
from chrysaetos.gateway.app.exchange import Exchange
from chrysaetos.gateway.telemetry.audit import LOGGER, Audit, open_log
from chrysaetos.identity.caller import Caller
from chrysaetos.queued_log import QueuedHandler
from chrysaetos.tenancy.parameters import Text
from chrysaetos.tenancy.paths import find_path
from chrysaetos.tenancy.scope import UNRESTRICTED, Scope

NOW = 1_767_323_045.625  # a binary fraction
CALLER = Caller(
    user_id="u1", user_name="Ann", project_id="A", project_name="demo", roles=("member", "reader")
)
HOSTILE = 'a"b\\c\n\r\t\x00\x1b[31mred\x7f\x85\x9b\u2028\u2029\u202e\udc80é😀 status=200'
FIELD = re.compile(r'(?:^| )([a-z_0-9]+)=("(?:[^"\\]|\\.)*"|[^" ]+)')


def an_exchange(**known):
    exchange = Exchange("GET", "10.0.0.1")
    exchange.request_id = "req-1"
    exchange.path = "/api/v1/query"
    exchange.endpoint = find_path("/api/v1/query").endpoint
    exchange.caller = CALLER
    exchange.scope = Scope.of("project", "A")
    exchange.texts = (Text("up", 'up{project="A"}'),)
    exchange.status = 200
    exchange.complete = True
    exchange.sent = 1234
    exchange.upstream_seconds = 0.0012
    exchange.started, exchange.ended = 10.0, 10.0031
    for name, value in known.items():
        setattr(exchange, name, value)
    return exchange


def fields(line):
    """Return the fields of a line of text; the line may contain nothing else."""
    found = FIELD.findall(line)
    assert " ".join(f"{name}={value}" for name, value in found) == line
    assert len({name for name, _ in found}) == len(found)
    return {name: json.loads(value) if value[0] == '"' else value for name, value in found}


def as_text(exchange, **options):
    return fields(Audit(clock=lambda: NOW, **options).line(exchange))


def as_json(exchange, **options):
    return json.loads(Audit(as_json=True, clock=lambda: NOW, **options).line(exchange))


def own_logger(level=logging.INFO):
    records: list[logging.LogRecord] = []

    class Handler(logging.Handler):
        def emit(self, record):
            records.append(record)

    logger = logging.Logger("test", level)  # noqa: LOG001  # so that it is independent of other tests
    logger.addHandler(Handler())
    return logger, records


def test_text():
    assert Audit(clock=lambda: NOW).line(an_exchange()) == (
        'time="2026-01-02T03:04:05.625Z" request_id="req-1" client="10.0.0.1" user_id="u1" user_name="Ann" '
        'project_id="A" project_name="demo" roles="member,reader" endpoint="query" method="GET" '
        'path="/api/v1/query" scope="project=A" status=200 error=- reason=- bytes=1234 ms=3.100 '
        r'upstream_ms=1.200 complete=true query="up" scoped="up{project=\"A\"}"'
    )


def test_json():
    assert as_json(an_exchange()) == {
        "time": "2026-01-02T03:04:05.625Z",
        "request_id": "req-1",
        "client": "10.0.0.1",
        "user_id": "u1",
        "user_name": "Ann",
        "project_id": "A",
        "project_name": "demo",
        "roles": "member,reader",
        "endpoint": "query",
        "method": "GET",
        "path": "/api/v1/query",
        "scope": "project=A",
        "status": 200,
        "error": None,
        "reason": None,
        "bytes": 1234,
        "ms": 3.1,
        "upstream_ms": 1.2,
        "complete": True,
        "queries": [{"query": "up", "scoped": 'up{project="A"}'}],
    }


def test_unknown_values():
    nothing = an_exchange(
        endpoint=None, caller=None, scope=None, texts=(), upstream_seconds=None, client="", status=0,
        complete=False, error="not_found", path="",
    )  # fmt: skip
    unknown = [
        "client", "user_id", "user_name", "project_id", "project_name", "roles", "endpoint", "path", "scope",
        "reason", "status", "upstream_ms",
    ]  # fmt: skip
    text, value = as_text(nothing), as_json(nothing)
    assert {name for name, shown in text.items() if shown == "-"} == {*unknown, "query", "scoped"}
    assert {name for name, shown in value.items() if shown is None} == set(unknown)
    assert value["queries"] == []
    assert (text["complete"], value["complete"]) == ("false", False)
    assert (text["error"], value["error"]) == ("not_found", "not_found")


@pytest.mark.parametrize(
    ("scope", "shown"),
    [
        (UNRESTRICTED, "all"),
        (Scope.of("project_id", "A"), "project=A"),
        (Scope.of("project", "A", "B"), "project=A,B"),
    ],
)
def test_the_scope_is_all_or_the_projects(scope, shown):
    assert as_text(an_exchange(scope=scope))["scope"] == shown
    assert as_json(an_exchange(scope=scope))["scope"] == shown


def test_the_scope_of_a_domains_token_is_the_domain():
    domain = Caller(user_id="u1", domain_id="D")
    scope = Scope("project", tuple(map(str, range(1000))))
    assert as_text(an_exchange(caller=domain, scope=scope))["scope"] == "domain=D"
    assert as_json(an_exchange(caller=domain, scope=scope))["scope"] == "domain=D"
    assert as_text(an_exchange(caller=domain, scope=UNRESTRICTED))["scope"] == "all"
    one = Scope.of("project", "A")
    assert as_text(an_exchange(caller=domain, scope=one))["scope"] == "project=A"


def test_several_texts_are_numbered():
    texts = tuple(Text(f"m{number}", f"s{number}") for number in range(10))
    text = as_text(an_exchange(texts=texts))
    assert [text["query"], text["scoped"]] == ["m0", "s0"]
    assert [text["query_2"], text["scoped_2"]] == ["m1", "s1"]
    assert [text["query_8"], text["scoped_8"], text["queries_left_out"]] == ["m7", "s7", "2"]
    assert "query_9" not in text
    queries = as_json(an_exchange(texts=texts))["queries"]
    assert queries[:8] == [{"query": f"m{number}", "scoped": f"s{number}"} for number in range(8)]
    assert queries[8:] == [{"left_out": 2}]


@pytest.mark.parametrize("name", ["client", "path", "method", "error", "request_id"])
@pytest.mark.parametrize("as_json_too", [False, True])
def test_hostile_text_stays_in_its_field(name, as_json_too):
    check_hostile(an_exchange(**{name: HOSTILE}), name, as_json_too)


@pytest.mark.parametrize("name", ["user_id", "user_name", "project_id", "project_name"])
@pytest.mark.parametrize("as_json_too", [False, True])
def test_hostile_names_stay_in_their_fields(name, as_json_too):
    names: dict[str, Any] = {"user_id": "u", name: HOSTILE}
    check_hostile(an_exchange(caller=Caller(**names)), name, as_json_too)


def check_hostile(exchange, name, as_json_too):
    audit = Audit(as_json=as_json_too, clock=lambda: NOW)
    line = audit.line(exchange)
    assert line.isascii()
    assert line.isprintable()
    shown = json.loads(line) if as_json_too else fields(line)
    assert shown[name] == HOSTILE
    assert str(shown["status"]) == "200"


def test_hostile_roles_scopes_and_texts_stay_in_their_fields():
    caller = Caller(user_id="u", roles=(HOSTILE, "reader"))
    scope = Scope.of("project", HOSTILE.replace("\udc80", ""))
    exchange = an_exchange(caller=caller, scope=scope, texts=(Text(HOSTILE, f"{HOSTILE}!"),))
    for audit in (Audit(), Audit(as_json=True)):
        line = audit.line(exchange)
        assert line.isascii()
        assert line.isprintable()
    shown = as_text(exchange)
    assert (shown["query"], shown["scoped"]) == (HOSTILE, f"{HOSTILE}!")
    assert shown["roles"] == f"{HOSTILE},reader"
    assert as_json(exchange)["queries"] == [{"query": HOSTILE, "scoped": f"{HOSTILE}!"}]


def test_long_values_are_cut_and_marked():
    exchange = an_exchange(texts=(Text("q" * 20, "s" * 12),), path="/" * 5000)
    shown = as_text(exchange, max_text=10)
    assert shown["query"] == "q" * 10 + "...[10 more]"
    assert shown["scoped"] == "s" * 10 + "...[2 more]"
    assert shown["path"] == "/" * 1024 + "...[3976 more]"
    assert as_text(exchange, max_text=20)["query"] == "q" * 20


def test_time_advances():
    times = iter([NOW, NOW + 0.125, NOW + 1, NOW - 1])
    audit = Audit(clock=lambda: next(times))
    shown = [fields(audit.line(an_exchange()))["time"][-7:] for _ in range(4)]
    assert shown == ["05.625Z", "05.750Z", "06.625Z", "04.625Z"]


def test_lines_have_level_info(caplog):
    caplog.set_level(logging.INFO, logger=LOGGER)
    audit = Audit(clock=lambda: NOW)
    exchange = an_exchange(path="/100%s")
    audit.on_end(exchange)
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("chrysaetos.audit", logging.INFO)
    assert record.getMessage() == audit.line(exchange)


def test_disabled_log_costs_nothing():
    logger, records = own_logger(logging.WARNING)

    def clock():
        raise AssertionError("a line was made")

    Audit(logger=logger, clock=clock).on_end(an_exchange())
    assert records == []


@pytest.mark.parametrize("path", ["/", "/openapi.json", "/healthcheck", "/-/healthy", "/-/ready"])
def test_own_endpoints_are_logged_if_enabled(path):
    logger, records = own_logger()
    exchange = an_exchange(endpoint=find_path(path).endpoint)
    Audit(logger=logger).on_end(exchange)
    assert records == []
    Audit(logger=logger, own_endpoints=True).on_end(exchange)
    assert len(records) == 1


async def test_lines_are_collected_until_close():
    logger, records = own_logger()
    audit = Audit(logger=logger)
    await audit.start()
    audit.on_end(an_exchange())
    audit.on_end(an_exchange())
    assert records == []
    await audit.close()
    assert len(records) == 2


def test_unknown_paths_are_logged():
    logger, records = own_logger()
    Audit(logger=logger).on_end(an_exchange(endpoint=None, status=404))
    assert len(records) == 1


def test_cached_fields_belong_to_the_caller_and_the_scope(monkeypatch):
    monkeypatch.setattr("chrysaetos.gateway.telemetry.audit._MAX_CACHED", 3)
    audit = Audit(clock=lambda: NOW)
    other = Caller(user_id="u2", project_id="B")
    domain = Caller(user_id="u1", domain_id="D")
    scopes = [None, UNRESTRICTED, Scope.of("project", "A"), Scope.of("project", "B")]
    for _ in range(2):
        for caller in (None, CALLER, other, domain):
            for scope in scopes:
                exchange = an_exchange(caller=caller, scope=scope)
                assert audit.line(exchange) == Audit(clock=lambda: NOW).line(exchange)
    assert len(audit._known) <= 3


def test_long_paths_and_scopes_of_domains_are_not_cached():
    audit = Audit(clock=lambda: NOW)
    domain = Caller(user_id="u1", domain_id="D")
    for number in range(10):
        scope = Scope.of("project", *(f"{number}-{each}" for each in range(1000)))
        audit.line(an_exchange(caller=domain, scope=scope))
        audit.line(an_exchange(endpoint=None, caller=None, scope=None, path=f"/{number}/" + 8000 * "x"))
    assert not audit._known


async def test_cached_fields_are_bounded_in_bytes():
    audit = Audit(clock=lambda: NOW)
    scope = Scope.of("project", "A")

    async def send_long_texts():
        for number in range(1000):
            text = f"{number}".ljust(2000, "\N{EAGLE}")
            audit.line(an_exchange(caller=None, texts=(Text(text, text[1:]),)))

    async def send_as_many_users():
        for number in range(40):
            audit.line(an_exchange(caller=large_caller(number), scope=scope, texts=()))

    assert MIB < await kept_bytes(send_long_texts) < 17 * MIB
    assert MIB < await kept_bytes(send_as_many_users) < 17 * MIB
    assert len(audit._texts_fields) > 100
    assert len(audit._known) > 1


def test_audit_file_contains_only_the_lines(tmp_path, caplog):
    path = tmp_path / "audit.log"
    logger = open_log(str(path))
    audit = Audit(logger=logger, clock=lambda: NOW)
    audit.on_end(an_exchange())
    logger.handlers[0].flush()
    path.rename(tmp_path / "audit.log.1")
    audit.on_end(an_exchange(status=201))
    logger.handlers[0].flush()
    logger.handlers[0].close()
    assert isinstance(logger.handlers[0], QueuedHandler)
    logger.handlers[0].target.close()
    assert (tmp_path / "audit.log.1").read_text() == audit.line(an_exchange()) + "\n"
    assert path.read_text() == audit.line(an_exchange(status=201)) + "\n"
    assert stat.S_ISREG(path.stat().st_mode)
    assert caplog.records == []


def test_unwritable_file_fails_the_start(tmp_path):
    with pytest.raises(ConfigError, match=r"^\[gateway\] audit_file: .*nowhere"):
        open_log(str(tmp_path / "nowhere" / "audit.log"))
