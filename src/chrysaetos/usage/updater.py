"""The loop: observe a site, add to the ledger, publish the sums. It never ends on an error; it backs off."""

from __future__ import annotations

import logging
import time
from itertools import chain
from typing import TYPE_CHECKING

from chrysaetos.usage.records import UsageError
from chrysaetos.usage.snapshot import snapshot
from chrysaetos.usage.tally import SimpleVM, tally
from chrysaetos.usage.weights import UNWEIGHTED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from threading import Event

    from chrysaetos.usage.ledger import Ledger
    from chrysaetos.usage.records import Project, ServerUsage
    from chrysaetos.usage.site import Observation, Site
    from chrysaetos.usage.snapshot import Exposition
    from chrysaetos.usage.weights import Weights

__all__ = ["Updater"]

_log = logging.getLogger(__name__)
_FIRST_PAUSE = 5.0
"""Seconds until the first try after a failure; each further one doubles it, up to the interval."""
_DAY = 86400
_HOURS_OF_NOTE = 0.01
"""Differences below are rounding: Nova gives seconds."""


class Updater:
    """Keeps an exposition up to date.

    Args:
        site: what is observed.
        exposition: what is kept up to date.
        start: the start date, in seconds since the epoch.
        ledger: what has been counted; None to ask for everything since the start date each time.
        weights: gives the weights when called; it may raise `UsageError`, then the last ones hold.
        weights_every: it is called once in so many updates.
        simple_vm: id of the project that hosts others, if there is one.
        whole_gib: see `tally`.
        clock: the time in seconds since the epoch.
    """

    def __init__(
        self,
        site: Site,
        exposition: Exposition,
        *,
        start: float,
        ledger: Ledger | None = None,
        weights: Callable[[], Weights] | None = None,
        weights_every: int = 10,
        simple_vm: str | None = None,
        whole_gib: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._site = site
        self._exposition = exposition
        self._start = start
        self._ledger = ledger
        self._ask_weights = weights
        self._weights_every = weights_every
        self._until_weights = 0
        self._weights: Weights = UNWEIGHTED
        self._simple_vm = simple_vm
        self._whole_gib = whole_gib
        self._clock = clock
        self._names: dict[str, str] = ledger.names() if ledger else {}
        self._reconciled = clock()

    def recall(self) -> None:
        """Publish what the ledger has, before anything is asked for: a restart leaves no gap."""
        if self._ledger is None:
            return
        projects = self._ledger.projects()
        if projects:
            self._renew_weights()
            self._publish(self._ledger.counted, projects, self._ledger.usages())

    def update(self) -> None:
        """Observe and publish once.

        Raises:
            UsageError: if the site cannot be observed, or the ledger cannot be written. In the second case
                what was observed is published, and nothing is lost: the next window begins where the ledger
                ends.
        """
        self._renew_weights()
        began = time.monotonic()
        now = self._clock()
        since = self._ledger.counted if self._ledger else self._start
        if now < since:
            raise UsageError("the clock is before what is counted already: waiting for it", reason="clock")
        try:
            seen = self._site.observe(since, now)
        finally:
            self._exposition.health.calls = self._site.calls
        self._names.update(seen.names)
        usages: Iterable[ServerUsage] = seen.usages
        if self._ledger:
            try:
                self._ledger.add(now, seen.usages, seen.projects, seen.names)
            except UsageError:
                self._publish(now, seen.projects, self._overlaid(self._ledger, seen))
                raise
            usages = self._ledger.usages()
        self._publish(now, seen.projects, usages)
        health = self._exposition.health
        health.succeeded, health.duration = self._clock(), time.monotonic() - began

    def _overlaid(self, ledger: Ledger, seen: Observation) -> Iterable[ServerUsage]:
        """What is counted, and what was seen behind it; servers are there if they were seen."""
        return chain((one._replace(exists=False) for one in ledger.usages()), seen.usages)

    def _publish(self, until: float, projects: Iterable[Project], usages: Iterable[ServerUsage]) -> None:
        hosting = SimpleVM(self._simple_vm, self._names) if self._simple_vm else None
        sums = tally(usages, self._weights, simple_vm=hosting, whole_gib=self._whole_gib)
        self._exposition.publish(snapshot(until, projects, sums))

    def _renew_weights(self) -> None:
        if self._ask_weights is None:
            return
        if self._until_weights == 0:
            try:
                self._weights = self._ask_weights()
            except UsageError as error:
                _log.warning("the weights stay as they are: %s", error)
                self._exposition.health.failures["weights"] = (
                    self._exposition.health.failures.get("weights", 0) + 1
                )
                return
        self._until_weights = (self._until_weights + 1) % self._weights_every

    def reconcile(self) -> Mapping[str, float]:
        """Compare what is counted with what Nova says of the whole time.

        Returns:
            Instance id → hours that Nova reports beyond what is counted (negative: it reports fewer), for all
            that differ. Nothing is changed: what was counted when it was there is right.

        Raises:
            UsageError: if the site cannot be observed.
        """
        if self._ledger is None:
            return {}
        until = self._ledger.counted
        hours: dict[str, float] = {}
        for usage in self._site.observe(self._start, until).usages:
            hours[usage.instance_id] = hours.get(usage.instance_id, 0.0) + usage.hours
        for usage in self._ledger.usages():
            hours[usage.instance_id] = hours.get(usage.instance_id, 0.0) - usage.hours
        differing = {one: value for one, value in hours.items() if abs(value) >= _HOURS_OF_NOTE}
        health = self._exposition.health
        health.missing = sum(value for value in differing.values() if value > 0)
        health.vanished = -sum(value for value in differing.values() if value < 0)
        return differing

    def _reconcile_daily(self) -> None:
        now = self._clock()
        if self._ledger is None or now - self._reconciled < _DAY:
            return
        differing = self.reconcile()
        self._reconciled = now
        if differing:
            worst = sorted(differing, key=lambda one: -abs(differing[one]))[:10]
            _log.warning(
                "reconciliation: %d servers differ from what Nova reports, among them %s",
                len(differing),
                ", ".join(f"{one} by {differing[one]:+.2f} h" for one in worst),
            )

    def run(self, stop: Event, interval: float) -> None:
        """Update until told to stop.

        Args:
            stop: set to end.
            interval: seconds from one update to the next.
        """
        pause = _FIRST_PAUSE
        while not stop.is_set():
            health = self._exposition.health
            try:
                self.update()
                self._reconcile_daily()
            except UsageError as error:
                _log.error("%s; trying again in %.0f s", error, min(pause, interval))
                self._failed(error.reason)
                wait, pause = min(pause, interval), pause * 2
            except Exception:  # noqa: BLE001 - the loop is what must not end
                _log.exception("unexpected; trying again in %.0f s", min(pause, interval))
                self._failed("unexpected")
                wait, pause = min(pause, interval), pause * 2
            else:
                health.problem = None
                wait, pause = interval, _FIRST_PAUSE
            stop.wait(wait)

    def _failed(self, reason: str) -> None:
        health = self._exposition.health
        health.problem = reason
        health.failures[reason] = health.failures.get(reason, 0) + 1
