from __future__ import annotations

import asyncio
import logging
import threading
import time
from contextlib import closing

import pytest
from tests.support.tokens import QUERY_ONLY, refusal
from tests.support.waiting import until

from chrysaetos.errors import Unauthorized, Unavailable
from chrysaetos.identity.cache import token_key
from chrysaetos.identity.keystone import KeystoneTokens, Refusal, TokenRefused


@pytest.fixture
def service_token(keystone):
    return keystone.issue(user="nova", project="service", roles=("service",), expires_in=600)


async def test_a_project_scoped_token_is_a_caller_with_every_detail(tokens, keystone):
    token = keystone.issue(user="alice", project="apollo", roles=("member", "odd,role"), expires_in=1800)
    caller = await tokens.identify(token, None, "GET", "/api/v1/query")
    assert (caller.user_id, caller.user_name, caller.user_domain_id) == ("alice-id", "alice", "default")
    assert (caller.project_id, caller.project_name) == ("apollo-id", "apollo")
    assert caller.project_domain_id == "projects"
    assert (caller.domain_id, caller.system_scope) == (None, None)
    assert caller.roles == ("member", "odd,role")
    assert caller.service_roles == ()
    assert caller.expires_at == pytest.approx(time.time() + 1800, abs=10)
    assert not caller.restricted


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ({"domain": "space"}, (None, "space-id", None, ("member", "reader"))),
        ({"system": True}, (None, None, "all", ("member", "reader"))),
        ({"project": None}, (None, None, None, ())),
    ],
)
async def test_other_scopes_have_their_own_fields(tokens, keystone, scope, expected):
    caller = await tokens.identify(keystone.issue(**scope), None, "GET", "/")
    assert (caller.project_id, caller.domain_id, caller.system_scope, caller.roles) == expected


async def test_a_cached_token_needs_no_call_to_keystone(tokens, keystone, clock):
    token = keystone.issue()
    first = await tokens.identify(token, None, "GET", "/a")
    clock.now += 59
    assert await tokens.identify(token, None, "POST", "/b") is first
    assert tokens.cache.hit(token_key(token)) is first
    assert len(keystone.validations) == 1
    clock.now += 1
    assert tokens.cache.hit(token_key(token)) is None
    await tokens.identify(token, None, "GET", "/a")
    assert len(keystone.validations) == 2


async def test_a_cached_token_is_refused_when_it_expires(tokens, keystone, clock):
    token = keystone.issue(expires_in=20)
    caller = await tokens.identify(token, None, "GET", "/")
    clock.now = caller.expires_at - 0.1
    assert tokens.cache.hit(token_key(token)) is not None
    clock.now = caller.expires_at
    assert tokens.cache.hit(token_key(token)) is None


async def test_a_revoked_token_is_rejected_after_the_cache_expires(tokens, keystone, clock):
    token = keystone.issue()
    await tokens.identify(token, None, "GET", "/")
    keystone.revoke(token)
    clock.now += 60
    assert await refusal(tokens, token, None, "GET", "/") is Refusal.TOKEN
    assert tokens.cache.hit(token_key(token)) is None


async def test_two_hundred_requests_with_one_new_token_are_one_call(tokens, keystone):
    token = keystone.issue()
    keystone.hold.clear()
    tasks = [asyncio.create_task(tokens.identify(token, None, "GET", f"/{n}")) for n in range(200)]
    await until(lambda: keystone.validations)
    tasks[0].cancel()
    keystone.hold.set()
    callers = await asyncio.gather(*tasks[1:])
    assert {caller.user_id for caller in callers} == {"alice-id"}
    assert len(keystone.validations) == 1
    assert tokens.cache.hit(token_key(token)) is not None


async def test_an_invalid_token_is_sent_to_keystone_once_in_ten_seconds(tokens, keystone, clock):
    assert await refusal(tokens, b"unknown", None, "GET", "/") is Refusal.TOKEN
    assert await refusal(tokens, b"unknown", None, "GET", "/") is Refusal.TOKEN
    assert len(keystone.validations) == 1
    assert tokens.cache.negative_hits == 1
    keystone.issue(token="unknown")
    clock.now += 10
    assert (await tokens.identify(b"unknown", None, "GET", "/")).user_name == "alice"


async def test_an_expired_token_is_refused(tokens, keystone):
    assert await refusal(tokens, keystone.issue(expires_in=-5), None, "GET", "/") is Refusal.TOKEN


@pytest.mark.parametrize("bad", [b"", b" ", b"a b", b"a\r\nb", b"\xff", "é".encode(), b"a" * 8193])
async def test_a_malformed_token_does_not_reach_keystone(tokens, keystone, bad):
    good = keystone.issue()
    assert await refusal(tokens, bad, None, "GET", "/") is Refusal.MALFORMED
    assert await refusal(tokens, good, bad, "GET", "/") is Refusal.MALFORMED
    assert keystone.validations == []


@pytest.mark.parametrize("status", [500, 503, 429, 403])
async def test_an_error_of_keystone_is_503_and_not_cached(tokens, keystone, status):
    token = keystone.issue()
    keystone.status = status
    with pytest.raises(Unavailable) as caught:
        await tokens.identify(token, None, "GET", "/")
    assert caught.value.headers() == [(b"retry-after", b"5")]
    keystone.status = None
    assert (await tokens.identify(token, None, "GET", "/")).user_name == "alice"


@pytest.mark.parametrize("failing", [[403], [500], [0], [403, 403], [500, 500]])
async def test_an_error_of_a_keystone_that_answers_again_is_hidden(tokens, keystone, failing, caplog):
    await tokens.identify(keystone.issue(), None, "GET", "/")
    keystone.failing = [*failing]
    assert (await tokens.identify(keystone.issue(), None, "GET", "/")).user_name == "alice"
    assert keystone.failing == []
    keystone.failing = [*failing]
    assert await refusal(tokens, b"unknown", None, "GET", "/") is Refusal.TOKEN
    assert "give it the role" not in caplog.text
    await tokens.service_user.check()


async def test_a_service_token_that_keystone_forgets_is_replaced(tokens, keystone):
    await tokens.identify(keystone.issue(), None, "GET", "/")
    keystone.tokens.clear()
    assert (await tokens.identify(keystone.issue(), None, "GET", "/")).user_name == "alice"


async def test_a_keystone_that_is_down_is_503_but_cached_tokens_keep_working(tokens, keystone, clock):
    token = keystone.issue()
    await tokens.identify(token, None, "GET", "/")
    keystone.stop()
    clock.now += 59
    assert (await tokens.identify(token, None, "GET", "/")).user_name == "alice"
    clock.now += 1
    with pytest.raises(Unavailable):
        await tokens.identify(token, None, "GET", "/")


async def test_a_keystone_that_does_not_answer_is_503(make_conf, keystone):
    with closing(KeystoneTokens(make_conf(http_connect_timeout="1"))) as tokens:
        token = keystone.issue()
        keystone.hold.clear()
        with pytest.raises(Unavailable):
            await tokens.identify(token, None, "GET", "/")
        keystone.hold.set()


@pytest.mark.parametrize("change", [{"password": "wrong"}, {"auth_type": "none", "endpoint": "http://x"}])
async def test_a_service_that_cannot_log_in_itself_is_503(make_conf, keystone, change):
    with closing(KeystoneTokens(make_conf(**change))) as tokens:
        with pytest.raises(Unavailable):
            await tokens.identify(keystone.issue(), None, "GET", "/")
        with pytest.raises(Unavailable):
            await tokens.identify(b"unknown", None, "GET", "/")


async def test_delay_auth_decision_admits_nobody(make_conf):
    with closing(KeystoneTokens(make_conf(delay_auth_decision="true"))) as tokens:
        assert await refusal(tokens, b"unknown", None, "GET", "/") is Refusal.TOKEN


async def test_access_rules_are_checked_for_every_request(tokens, keystone):
    token = keystone.issue(access_rules=QUERY_ONLY)
    caller = await tokens.identify(token, None, "GET", "/api/v1/query")
    assert caller.restricted
    assert tokens.cache.hit(token_key(token)) is None
    await tokens.identify(token, None, "GET", "/api/v1/query")
    assert await refusal(tokens, token, None, "GET", "/api/v1/series") is Refusal.RULES
    assert await refusal(tokens, token, None, "POST", "/api/v1/query") is Refusal.RULES
    await tokens.identify(token, None, "GET", "/api/v1/query")
    assert len(keystone.validations) >= 5


async def test_an_empty_list_of_access_rules_allows_nothing(tokens, keystone):
    token = keystone.issue(access_rules=[])
    assert await refusal(tokens, token, None, "GET", "/api/v1/query") is Refusal.RULES


async def test_access_rules_work_if_the_operator_excludes_the_catalog(make_conf, keystone):
    with closing(KeystoneTokens(make_conf(include_service_catalog="false"))) as tokens:
        token = keystone.issue(access_rules=QUERY_ONLY)
        assert (await tokens.identify(token, None, "GET", "/api/v1/query")).restricted


async def test_an_access_rule_for_labels_sees_the_decoded_path(tokens, keystone):
    rules = [{"id": "r", "service": "metric-storage", "method": "GET", "path": "/api/v1/label/*/values"}]
    token = keystone.issue(access_rules=rules)
    await tokens.identify(token, None, "GET", "/api/v1/label/U__a%C3%A9%ff/values")
    assert await refusal(tokens, token, None, "GET", "/api/v1/label/a%2Fb/values") is Refusal.RULES


async def test_requests_that_share_a_call_are_checked_by_their_own_access_rules(tokens, keystone):
    token = keystone.issue(access_rules=QUERY_ONLY)
    keystone.hold.clear()
    paths = ["/api/v1/series", "/api/v1/query"] * 5
    tasks = [asyncio.create_task(tokens.identify(token, None, "GET", path)) for path in paths]
    await until(lambda: keystone.validations)
    assert len(keystone.validations) == 1
    keystone.hold.set()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [isinstance(outcome, TokenRefused) for outcome in outcomes] == [True, False] * 5
    assert len(keystone.validations) == 2
    assert await tokens.identify(token, None, "GET", "/api/v1/query")


async def test_a_service_token_adds_its_roles(tokens, keystone, service_token):
    token = keystone.issue(system=True)
    caller = await tokens.identify(token, service_token, "GET", "/")
    assert caller.service_roles == ("service",)
    assert caller.user_name == "alice"
    assert caller.system_scope == "all"
    assert tokens.cache.hit(token_key(token)) is None
    assert tokens.cache.hit(token_key(token, service_token)) is caller


async def test_an_invalid_service_token_rejects_only_its_own_request(tokens, keystone):
    token = keystone.issue()
    assert await refusal(tokens, token, b"unknown", "GET", "/") is Refusal.SERVICE
    assert await refusal(tokens, token, b"unknown", "GET", "/") is Refusal.SERVICE
    assert (await tokens.identify(token, None, "GET", "/")).user_name == "alice"


async def test_a_users_token_is_not_a_service_token(tokens, keystone):
    restricted = keystone.issue(access_rules=QUERY_ONLY)
    pretended = keystone.issue(user="mallory")
    assert await refusal(tokens, restricted, pretended, "GET", "/api/v1/series") is Refusal.SERVICE


async def test_an_expired_user_token_is_valid_only_with_a_service_token(
    tokens, keystone, clock, service_token
):
    token = keystone.issue(expires_in=-5)
    caller = await tokens.identify(token, service_token, "GET", "/")
    assert caller.expires_at < clock.now
    assert "allow_expired" in keystone.queries[-1]
    assert tokens.cache.hit(token_key(token, service_token)) is caller
    assert tokens.cache.hit(token_key(token)) is None
    assert await refusal(tokens, token, None, "GET", "/") is Refusal.TOKEN
    clock.now += 60
    assert tokens.cache.hit(token_key(token, service_token)) is None


@pytest.mark.parametrize(("user_life", "service_life"), [(-5, 20), (1000, 20), (20, 1000)])
async def test_a_result_is_cached_until_the_first_of_both_tokens_expires(
    tokens, keystone, clock, user_life, service_life
):
    token = keystone.issue(expires_in=user_life)
    service_token = keystone.issue(roles=("service",), expires_in=service_life)
    await tokens.identify(token, service_token, "GET", "/")
    key = token_key(token, service_token)
    clock.now += 15
    assert tokens.cache.hit(key) is not None
    clock.now += 6
    assert tokens.cache.hit(key) is None


async def test_a_token_is_rejected_after_its_expiry_even_if_keystone_accepts_it(tokens, keystone):
    keystone.clock_lag = 60
    assert await refusal(tokens, keystone.issue(expires_in=-5), None, "GET", "/") is Refusal.TOKEN
    restricted = keystone.issue(expires_in=-5, access_rules=QUERY_ONLY)
    assert await refusal(tokens, restricted, None, "GET", "/api/v1/query") is Refusal.TOKEN


async def test_access_rules_require_the_service_in_the_catalog(tokens, keystone):
    keystone.service_type = None
    token = keystone.issue(access_rules=QUERY_ONLY)
    assert await refusal(tokens, token, None, "GET", "/api/v1/query") is Refusal.RULES


async def test_no_secret_is_logged(tokens, keystone, caplog, service_token):
    caplog.set_level(logging.DEBUG)
    secrets = [keystone.issue(), service_token, b"gAAAA-refused", b"gAAAA-as-well"]
    await tokens.identify(secrets[0], service_token, "GET", "/")
    await refusal(tokens, secrets[2], None, "GET", "/")
    await refusal(tokens, secrets[0], secrets[3], "GET", "/")
    keystone.status = 503
    with pytest.raises(Unavailable):
        await tokens.identify(keystone.issue(token="gAAAA-lost"), None, "GET", "/")
    assert "Authorization failed for token" in caplog.text
    for secret in (*secrets, b"gAAAA-lost", b"service-secret"):
        assert secret.decode() not in caplog.text


async def test_a_token_that_is_revoked_while_it_is_validated_is_not_cached(tokens, keystone):
    token = keystone.issue()
    keystone.hold.clear()
    asked = asyncio.create_task(tokens.identify(token, None, "GET", "/"))
    await until(lambda: keystone.validations)
    tokens.forget(token)
    keystone.hold.set()
    assert (await asked).user_name == "alice"
    assert tokens.cache.hit(token_key(token)) is None
    assert await refusal(tokens, token, None, "GET", "/") is Refusal.TOKEN


async def test_the_cache_contains_no_part_of_a_token(tokens, keystone):
    token = keystone.issue()
    await tokens.identify(token, None, "GET", "/")
    entries = tokens.cache._confirmed._entries._entries
    assert list(entries) == [token_key(token)]
    assert token.decode() not in repr(entries)


async def test_close_stops_the_threads_and_restores_logging(make_conf, keystone):
    logs = [logging.getLogger(name) for name in ("keystonemiddleware.auth_token", "keystoneauth.session")]
    filters, threads = [list(log.filters) for log in logs], set(threading.enumerate())
    tokens = KeystoneTokens(make_conf())
    await tokens.identify(keystone.issue(), None, "GET", "/")
    tokens.close()
    assert [log.filters for log in logs] == filters
    left = [thread.name for thread in set(threading.enumerate()) - threads]
    assert not [name for name in left if name.startswith("keystone")]
    with pytest.raises(Unavailable):
        await tokens.identify(keystone.issue(), None, "GET", "/")


async def test_a_rejection_is_an_unauthorized_error_that_says_what_to_do(tokens):
    with pytest.raises(Unauthorized, match="get a new one"):
        await tokens.identify(b"unknown", None, "GET", "/")


async def test_failed_calls_to_keystone_are_counted(tokens, keystone):
    await refusal(tokens, b"unknown", None, "GET", "/")
    assert tokens.errors == 0
    keystone.status = 500
    for number in range(2):
        with pytest.raises(Unavailable):
            await tokens.identify(b"t%d" % number, None, "GET", "/")
    assert tokens.errors == 2
