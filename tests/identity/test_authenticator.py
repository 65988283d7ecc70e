from __future__ import annotations

import asyncio
import threading
from contextlib import AsyncExitStack

import pytest

from chrysaetos.errors import BadRequest, TooManyRequests, Unauthorized, Unavailable
from chrysaetos.headers import KeptHeaders
from chrysaetos.http.server.limits import FramingLimits
from chrysaetos.http.server.request_reader import HeaderCache, RequestReader
from chrysaetos.identity.authenticator import create_authenticator
from chrysaetos.identity.cache import token_key
from chrysaetos.identity.caller import Caller


async def test_each_form_of_credential_identifies_its_owner(authenticator, keystone, encode):
    token = keystone.issue(user="alice")
    keystone.application_credentials["ac"] = ("secret", {"user": "bob"})
    basic = [(b"authorization", b"Basic " + encode("ac:secret"))]
    for headers, user in (
        ([(b"x-auth-token", token)], "alice"),
        ([(b"authorization", b"Bearer " + token)], "alice"),
        (basic, "bob"),
    ):
        assert (await authenticator.identify(headers, "GET", "/")).user_name == user
        assert authenticator.cached(headers).user_name == user
    assert len(keystone.validations) == 2


async def test_headers_that_are_kept_do_not_keep_their_caller(authenticator, keystone, clock):
    headers = KeptHeaders()
    headers.append((b"x-auth-token", keystone.issue(user="alice")))
    assert authenticator.cached(headers) is None
    await authenticator.identify(headers, "GET", "/")
    for _ in range(2):
        assert authenticator.cached(headers).user_name == "alice"
    authenticator.forget(headers[0][1])
    assert authenticator.cached(headers) is None


async def test_headers_that_differ_in_the_last_byte_of_a_token_are_those_of_two_callers(
    authenticator, keystone
):
    token = keystone.issue(user="alice")
    await authenticator.identify([(b"x-auth-token", token)], "GET", "/")
    reader = RequestReader(FramingLimits(), HeaderCache())
    found = []
    for each in (token, token, token[:-1] + b"~", token):
        reader.feed(b"GET / HTTP/1.1\r\nHost: h\r\nX-Auth-Token: %b\r\n\r\n" % each)
        head = reader.head()
        assert head is not None
        found.append(authenticator.cached(head.headers) is not None)
    assert found == [True, True, False, True]


async def test_bearer_and_x_auth_token_are_the_same(authenticator, keystone):
    token = keystone.issue()
    await authenticator.identify([(b"authorization", b"Bearer " + token)], "GET", "/")
    assert authenticator.cached([(b"x-auth-token", token)]) is not None
    assert (
        authenticator.cached([(b"x-auth-token", token), (b"authorization", b"bearer " + token)]) is not None
    )


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"x-service-token", b"S")],
        [(b"authorization", b"Negotiate abc")],
        [(b"authorization", b"Basic")],
        [(b"authorization", b"Bearer")],
        [(b"x-project-id", b"apollo"), (b"x-roles", b"admin"), (b"x-identity-status", b"Confirmed")],
        [(b"x_auth_token", b"T")],
    ],
)
async def test_no_credential_is_401_with_both_challenges_and_no_call(authenticator, keystone, headers):
    assert authenticator.cached(headers) is None
    with pytest.raises(Unauthorized) as caught:
        await authenticator.identify(headers, "GET", "/")
    assert caught.value.headers() == [
        (b"www-authenticate", b'Keystone uri="https://public.example/identity"'),
        (b"www-authenticate", b'Basic realm="chrysaetos", charset="UTF-8"'),
    ]
    assert keystone.validations == []
    assert keystone.exchanges == []


async def test_two_credentials_are_400_even_when_one_is_cached(authenticator, keystone):
    token = keystone.issue()
    await authenticator.identify([(b"x-auth-token", token)], "GET", "/")
    headers = [(b"x-auth-token", token), (b"x-auth-token", token)]
    assert authenticator.cached(headers) is None
    with pytest.raises(BadRequest):
        await authenticator.identify(headers, "GET", "/")


async def test_identity_headers_of_the_client_are_not_read(authenticator, keystone):
    token = keystone.issue(project="apollo", roles=("reader",))
    forged = [
        (b"x-auth-token", token),
        (b"x-project-id", b"victim"),
        (b"x-roles", b"admin"),
        (b"x-service-roles", b"service"),
        (b"openstack-system-scope", b"all"),
        (b"x-identity-status", b"Confirmed"),
    ]
    caller = await authenticator.identify(forged, "GET", "/")
    assert (caller.project_id, caller.roles, caller.service_roles) == ("apollo-id", ("reader",), ())
    assert caller.system_scope is None


async def test_hits_and_misses_are_counted(authenticator, keystone):
    headers = [(b"x-auth-token", keystone.issue())]
    assert authenticator.cached(headers) is None
    await authenticator.identify(headers, "GET", "/")
    authenticator.cached(headers)
    await authenticator.identify(headers, "GET", "/")
    cache = authenticator.cache
    assert (cache.hits, cache.misses, cache.negative_hits) == (2, 1, 0)


async def test_created_from_a_configuration_and_closed(make_conf, keystone, clock):
    before = set(threading.enumerate())
    authenticator = create_authenticator(make_conf(), cache_seconds=5, clock=clock)
    headers = [(b"x-auth-token", keystone.issue())]
    await authenticator.identify(headers, "GET", "/")
    clock.now += 4
    assert authenticator.cached(headers) is not None
    clock.now += 1
    assert authenticator.cached(headers) is None
    await authenticator.close()
    left = {
        thread
        for thread in set(threading.enumerate()) - before
        if thread.name.startswith(("keystone", "basic"))
    }
    assert left == set()


async def test_probes_validate_the_own_token_once_in_a_while(authenticator, keystone, clock):
    for _ in range(3):
        await authenticator.probe()
    assert len(keystone.validations) == 1
    clock.now += 31
    await authenticator.probe()
    assert len(keystone.validations) == 2
    assert keystone.exchanges == []


async def test_a_probe_does_not_wait_for_log_ins(authenticator, keystone, encode):
    await authenticator.probe()
    keystone.hold.clear()
    log_ins = [
        asyncio.create_task(
            authenticator.identify(
                [(b"authorization", b"Basic " + encode(f"ac{number}:wrong"))], "GET", "/", f"192.0.2.{number}"
            )
        )
        for number in range(200)
    ]
    await asyncio.sleep(0.1)
    try:
        async with asyncio.timeout(3):
            await authenticator.probe()
    finally:
        keystone.hold.set()
        await asyncio.gather(*log_ins, return_exceptions=True)


async def test_a_probe_reports_errors_of_keystone(authenticator, keystone):
    keystone.status = 503
    with pytest.raises(Unavailable, match="503"):
        await authenticator.probe()


async def test_a_probe_reports_that_keystone_is_down(authenticator, keystone):
    keystone.stop()
    with pytest.raises(Unavailable):
        await authenticator.probe()


async def test_a_probe_reports_that_keystone_validates_no_tokens(authenticator, keystone):
    keystone.can_validate = False
    with pytest.raises(Unavailable, match="does not validate tokens"):
        await authenticator.probe()
    keystone.can_validate = True
    await authenticator.probe()


async def test_every_part_counts_failed_calls_to_keystone(authenticator, keystone, encode):
    keystone.status = 500
    for headers in ([(b"x-auth-token", b"T")], [(b"authorization", b"Basic " + encode("ac:secret"))]):
        with pytest.raises(Unavailable):
            await authenticator.identify(headers, "GET", "/")
    with pytest.raises(Unavailable):
        await authenticator.projects.of("D")
    assert authenticator.keystone_errors == 3


async def test_twenty_thousand_tokens_in_use_stay_cached(make_conf, clock):
    authenticator = create_authenticator(make_conf(), clock=clock)
    headers = [[(b"x-auth-token", b"token-%d" % number)] for number in range(20_000)]
    caller = Caller(user_id="u", project_id="p")
    for ((_, token),) in headers:
        authenticator.cache.admit(token_key(token), caller, clock.now + 60)
    assert all(authenticator.cached(given) is caller for given in headers)
    await authenticator.close()


async def test_the_limit_by_address_applies_to_each_kind_of_credential(make_conf, clock, encode):
    async with AsyncExitStack() as stack:
        authenticator = create_authenticator(
            make_conf(), failures_burst=1, failures_per_second=0.1, clock=clock
        )
        stack.push_async_callback(authenticator.close)
        with pytest.raises(Unauthorized):
            await authenticator.identify([(b"x-auth-token", b"bad")], "GET", "/", "192.0.2.7")
        for headers in ([(b"x-auth-token", b"T")], [(b"authorization", b"Basic " + encode("ac:secret"))]):
            with pytest.raises(TooManyRequests):
                await authenticator.identify(headers, "GET", "/", "192.0.2.7")
