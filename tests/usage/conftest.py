import pytest
from tests.usage.updating import ChargingLoop, Loop


@pytest.fixture
def loop(tmp_path):
    created = Loop(tmp_path / "ledger.sqlite")
    yield created
    created.close()


@pytest.fixture
def stateless():
    return Loop(None)


@pytest.fixture
def charging(tmp_path):
    created = ChargingLoop(tmp_path / "ledger.sqlite")
    yield created
    created.close()
