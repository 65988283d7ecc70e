from __future__ import annotations

import asyncio
import base64
import logging
import threading
from contextlib import closing
from dataclasses import replace

import pytest
from tests.support.tokens import QUERY_ONLY, identify

from chrysaetos.errors import TooManyRequests, Unauthorized, Unavailable
from chrysaetos.identity.basic import BasicCredentials, parse_login
from chrysaetos.identity.keystone import Refusal, TokenRefused

USER = "bob@corp@Users|apollo@Projects:pa:ss|w@rd"


def test_both_forms_of_credentials_are_parsed(encode):
    login = parse_login(encode("0a1b2c:secret:with:colons"))
    assert (login.credential_id, login.secret) == ("0a1b2c", "secret:with:colons")
    assert (login.user, login.project) == (None, None)
    login = parse_login(encode(USER))
    assert login.user == ("bob@corp", "Users")
    assert login.project == ("apollo", "Projects")
    assert login.secret == "pa:ss|w@rd"


def test_names_are_utf_8_and_not_percent_decoded(encode):
    login = parse_login(encode("Zoë%40@Dömäne|Prü%3Afung@D:пароль%20"))
    assert login.user == ("Zoë%40", "Dömäne")
    assert login.project == ("Prü%3Afung", "D")
    assert login.secret == "пароль%20"


def test_a_login_does_not_show_its_secret(encode):
    assert "pa:ss" not in repr(parse_login(encode(USER)))


MALFORMED = [
    b"",
    b"!!!!",
    b"YTpi=",
    b"YTp i",
    b"_-_-",
    b"/////w==",
    *(
        base64.b64encode(text.encode())
        for text in (
            "nocolon",
            ":secret",
            "ac1:",
            "a" * 65 + ":x",
            "has space:x",
            "user@Default:x",
            "user@D|project:x",
            "user|project@D:x",
            "@D|p@D:x",
            "u@|p@D:x",
            "u@D|p@:x",
            "u@D|p@D",
            "u@D|p@D|q@D:x",
            "u@D|:x",
            "|p@D:x",
            "ac1:x\n",
            "ac1:x\x00",
            "u\x7f@D|p@D:x",
            "u\x85@D|p@D:x",
            "ac1:" + "x" * 8192,
        )
    ),
]


@pytest.mark.parametrize("value", MALFORMED)
async def test_malformed_credentials_are_401_without_a_call(basic, keystone, value):
    with pytest.raises(Unauthorized) as caught:
        await identify(basic, value)
    assert len(caught.value.challenges) == 2
    assert keystone.exchanges == []


async def test_an_application_credential_is_exchanged_once(basic, keystone, good, clock):
    assert basic.cached(good, None) is None
    caller = await identify(basic, good)
    assert caller.user_name == "grafana"
    clock.now += 30
    assert basic.cached(good, None) is caller
    assert await identify(basic, good) is caller
    clock.now += 60
    await identify(basic, good)
    assert len(keystone.exchanges) == 1
    assert len(keystone.validations) == 2


async def test_a_password_is_exchanged_for_a_token_of_the_project(basic, keystone, encode):
    keystone.passwords["bob@corp", "Users", "apollo", "Projects"] = "pa:ss|w@rd"
    caller = await identify(basic, encode(USER))
    assert (caller.user_name, caller.project_name) == ("bob@corp", "apollo")
    with pytest.raises(Unauthorized):
        await identify(basic, encode(USER.replace("apollo", "zeus")))


async def test_many_requests_with_new_credentials_are_one_exchange(basic, keystone, good):
    keystone.hold.clear()
    tasks = [asyncio.create_task(identify(basic, good)) for _ in range(50)]
    await asyncio.sleep(0.1)
    tasks[0].cancel()
    keystone.hold.set()
    callers = await asyncio.gather(*tasks[1:])
    assert {caller.user_name for caller in callers} == {"grafana"}
    assert len(keystone.exchanges) == 1
    assert len(keystone.validations) == 1


async def test_the_token_is_replaced_before_it_expires(basic, keystone, good, clock):
    keystone.token_life = 300
    await identify(basic, good)
    clock.now += 235
    await identify(basic, good)
    assert len(keystone.exchanges) == 1
    clock.now += 6
    assert basic.cached(good, None) is None
    await identify(basic, good)
    assert len(keystone.exchanges) == 2


async def test_a_token_shorter_than_the_margin_is_still_used(basic, keystone, good, clock):
    keystone.token_life = 40
    await identify(basic, good)
    clock.now += 15
    assert basic.cached(good, None) is not None
    clock.now += 6
    assert basic.cached(good, None) is None


async def test_the_old_token_is_used_until_it_expires_while_keystone_is_down(basic, keystone, good, clock):
    keystone.token_life = 100
    caller = await identify(basic, good)
    clock.now += 55
    keystone.stop()
    assert basic.cached(good, None) is None
    assert await identify(basic, good) is caller
    clock.now += 50
    with pytest.raises(Unavailable):
        await identify(basic, good)


async def test_a_revoked_token_is_replaced_once(basic, keystone, good, clock):
    await identify(basic, good)
    keystone.revoke(keystone.validations[0].encode())
    clock.now += 60
    callers = await asyncio.gather(*(identify(basic, good) for _ in range(20)))
    assert {caller.user_name for caller in callers} == {"grafana"}
    assert len(keystone.exchanges) == 2
    assert keystone.validations[-1] != keystone.validations[0]


async def test_a_token_that_another_request_replaced_is_not_replaced_again(basic, keystone, good, clock):
    keystone.token_life = 3600
    await identify(basic, good)
    old = basic._kept.get(basic._hash(good))
    keystone.revoke(old.token)
    clock.now += 60
    keystone.hold.clear()
    late = asyncio.create_task(identify(basic, good))
    await asyncio.sleep(0.1)
    keystone.issue(token="fresh", user="grafana")
    fresh = replace(old, token=b"fresh")
    basic._kept.put(basic._hash(good), fresh, clock.now + 100)
    keystone.hold.set()
    assert (await late).user_name == "grafana"
    assert len(keystone.exchanges) == 1
    assert keystone.validations[-1] == "fresh"


async def test_a_deleted_application_credential_works_until_its_token_expires(basic, keystone, good, clock):
    await identify(basic, good)
    keystone.revoke(keystone.validations[0].encode())
    del keystone.application_credentials["ac1"]
    clock.now += 60
    for _ in range(3):
        with pytest.raises(Unauthorized):
            await identify(basic, good)
    assert len(keystone.exchanges) == 2


async def test_credentials_that_were_once_valid_are_throttled_like_others(basic, keystone, good, clock):
    await identify(basic, good)
    keystone.revoke(keystone.validations[0].encode())
    keystone.application_credentials["ac1"] = ("changed", {})
    clock.now += 60
    for _ in range(6):
        with pytest.raises(Unauthorized):
            await identify(basic, good)
        clock.now += 10
    with pytest.raises(TooManyRequests):
        await identify(basic, good)


async def test_a_new_token_that_is_rejected_is_not_exchanged_again(basic, keystone, good):
    keystone.application_credentials["ac1"] = ("s3cret", {"expires_in": -5})
    with pytest.raises(TokenRefused):
        await identify(basic, good)
    assert len(keystone.exchanges) == 1


async def test_access_rules_are_enforced_without_another_exchange(basic, keystone, encode):
    keystone.application_credentials["ac2"] = ("s3cret", {"access_rules": QUERY_ONLY})
    value = encode("ac2:s3cret")
    assert (await identify(basic, value)).restricted
    assert basic.cached(value, None) is None
    for _ in range(2):
        with pytest.raises(TokenRefused) as caught:
            await identify(basic, value, path="/api/v1/series")
        assert caught.value.refusal is Refusal.RULES
    assert len(keystone.exchanges) == 1


async def test_service_tokens_work_with_basic_credentials(basic, keystone, good):
    service_token = keystone.issue(roles=("service",))
    assert (await identify(basic, good, service_token)).service_roles == ("service",)
    assert basic.cached(good, service_token).service_roles == ("service",)
    assert basic.cached(good, None) is None
    with pytest.raises(TokenRefused) as caught:
        await identify(basic, good, b"unknown")
    assert caught.value.refusal is Refusal.SERVICE
    assert len(keystone.exchanges) == 1


async def test_wrong_credentials_are_sent_to_keystone_once_in_ten_seconds(basic, keystone, encode, clock):
    for _ in range(20):
        with pytest.raises(Unauthorized):
            await identify(basic, encode("ac1:wrong"))
    assert len(keystone.exchanges) == 1
    clock.now += 10
    with pytest.raises(Unauthorized):
        await identify(basic, encode("ac1:wrong"))
    assert len(keystone.exchanges) == 2


async def test_a_keystone_that_is_down_does_not_count_as_a_failed_attempt(basic, keystone, good):
    keystone.status = 503
    for _ in range(8):
        with pytest.raises(Unavailable):
            await identify(basic, good)
    keystone.status = None
    assert (await identify(basic, good)).user_name == "grafana"


async def test_an_attempt_for_which_no_thread_can_be_started_does_not_count_as_failed(
    basic, good, monkeypatch
):
    def refuse(_):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        for _ in range(8):
            with pytest.raises(Unavailable):
                await identify(basic, good)
    assert (await identify(basic, good)).user_name == "grafana"


@pytest.mark.parametrize(
    ("status", "login", "error"),
    [
        (400, "ac1:s3cret", Unauthorized),
        (403, USER, Unauthorized),
        (404, "ac1:s3cret", Unauthorized),
        (404, USER, Unavailable),
        (429, "ac1:s3cret", Unavailable),
        (500, USER, Unavailable),
    ],
)
async def test_each_response_of_keystone_has_its_error(basic, keystone, encode, *, status, login, error):
    keystone.status = status
    with pytest.raises(error):
        await identify(basic, encode(login))


async def test_an_unknown_application_credential_is_401(basic, keystone, encode):
    with pytest.raises(Unauthorized):
        await identify(basic, encode("unknown:secret"))
    assert len(keystone.exchanges) == 1


async def test_no_secret_is_logged_or_stored(basic, keystone, good, encode, caplog):
    caplog.set_level(logging.DEBUG)
    await identify(basic, good)
    with pytest.raises(Unauthorized):
        await identify(basic, encode("ac1:wr0ng"))
    keystone.status = 503
    with pytest.raises(Unavailable):
        await identify(basic, encode("ac1:l0st"))
    token = keystone.validations[0]
    caches = (basic._kept, basic._wrong, basic.attempts._throttle._attempts)
    assert all(caches)
    kept = repr([cache._entries._entries for cache in caches])
    for secret in ("s3cret", "wr0ng", "l0st", good.decode(), token):
        assert secret not in caplog.text
        assert secret not in kept


async def test_cached_tokens_are_bounded_in_bytes(tokens, keystone, encode, monkeypatch):
    monkeypatch.setattr("chrysaetos.identity.basic.MAX_CACHED_BYTES", 10 * 1024)
    with closing(BasicCredentials(tokens)) as basic:
        for number in range(20):
            keystone.application_credentials[f"ac{number}"] = ("s3cret", {"user": "grafana"})
            await identify(basic, encode(f"ac{number}:s3cret"))
        assert 10 < len(basic._kept) < 20
        assert basic.cached(encode("ac19:s3cret"), None)
        assert basic.cached(encode("ac0:s3cret"), None) is None


async def test_two_processes_have_different_keys(tokens, good):
    with closing(BasicCredentials(tokens)) as one, closing(BasicCredentials(tokens)) as other:
        assert one._hash(good) == one._hash(good)
        assert one._hash(good) != other._hash(good)


async def test_failed_calls_to_keystone_are_counted(basic, keystone, good):
    keystone.status = 500
    with pytest.raises(Unavailable):
        await identify(basic, good)
    assert basic.errors == 1
