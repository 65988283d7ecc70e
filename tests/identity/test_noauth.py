"""The mode for trials."""

from tests.fakes.clock import Clock

from chrysaetos.identity.noauth import NoAuthenticator


async def test_every_caller_is_an_administrator_and_the_log_warns(caplog):
    clock = Clock()
    identity = NoAuthenticator(clock=clock)
    await identity.probe()
    caller = await identity.identify([], "GET", "/api/v1/query")
    assert caller.roles == ("admin",)
    assert caller.project_id
    assert identity.cached([(b"x-project-id", b"other")]) is caller
    assert caplog.text.count("NOT authenticated") == 1
    clock.now += 61
    identity.cached([])
    assert caplog.text.count("NOT authenticated") == 2
    await identity.close()
