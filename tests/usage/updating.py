"""An updater with its site and clock, and what the tests of updates need besides."""

from threading import Event

from tests.fakes.clock import Clock
from tests.fakes.usage_site import HOUR, START, FakeSite

from chrysaetos.usage.credits import CreditLedger
from chrysaetos.usage.grants import FILE, append_grant
from chrysaetos.usage.ledger import Ledger
from chrysaetos.usage.records import UsageError
from chrysaetos.usage.snapshot import Exposition
from chrysaetos.usage.updater import Updater
from chrysaetos.usage.weights import Weights

__all__ = ["ChargingLoop", "Loop", "Ticks", "grant", "loader", "weights"]


class Loop:
    """An updater with its site, clock and exposition."""

    def __init__(self, path, **options):
        self.clock = Clock(START)
        self.ahead = 0.0
        self.site = FakeSite()
        self.path = path
        self.options = options
        self.first = START
        self.start()

    def start(self):
        self.ledger = Ledger(self.path, source="fake", start=self.first) if self.path else None
        self.exposition = Exposition(max_age=2 * HOUR)
        self.updater = Updater(
            self.site,
            self.exposition,
            start=self.first,
            ledger=self.ledger,
            clock=self.clock,
            uptime=lambda: self.clock.now - self.ahead,
            **self.options,
        )

    def restart(self):
        self.close()
        self.start()

    def close(self):
        if self.ledger is not None:
            self.ledger.close()

    def after(self, hours):
        self.clock.now += hours * HOUR
        self.updater.update()

    def value(self, metric="project_vcpu_usage"):
        for line in self.exposition.render(self.clock.now, compressed=False).decode().splitlines():
            if line.startswith((f"{metric}{{", f"{metric} ")):
                return float(line.rpartition(" ")[2])
        return None


class ChargingLoop(Loop):
    """An updater that charges usage to credits."""

    def start(self):
        self.grants = self.path.parent / FILE
        self.options["credit_ledger"] = CreditLedger(self.path.parent)
        super().start()

    def close(self):
        super().close()
        self.options["credit_ledger"].close()


class Ticks(Event):
    """An event that is set after a number of waits and records their timeouts."""

    def __init__(self, loop, count, hours=0.5):
        super().__init__()
        self.loop, self.count, self.hours, self.waits = loop, count, hours, []

    def wait(self, timeout=None):
        self.waits.append(timeout)
        self.loop.clock.now += self.hours * HOUR
        if len(self.waits) == self.count:
            self.set()
        return self.is_set()


def weights(factor):
    steps = [{"value": 1, "weight": factor}]
    return Weights.parse([{"resource_set_timestamp": 0, "vcpus": steps, "memory_mb": []}])


def loader(results):
    """Return a function that returns or raises the next result at each call, and removes it."""

    def load():
        result = results.pop(0)
        if isinstance(result, UsageError):
            raise result
        return result

    return load


def grant(loop, hours, until=None):
    values = {"project_id": "p", "resource": "vcpu", "hours": hours, "until": until, "by": "ada", "why": "x"}
    append_grant(loop.grants, now=loop.clock.now, **values)
