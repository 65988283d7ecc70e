"""Updates of usage: observe a site, add its usage to the ledger, publish the totals."""

from __future__ import annotations

import logging
import math
import time
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

from chrysaetos.usage.loop import keep_updating
from chrysaetos.usage.records import UsageError
from chrysaetos.usage.snapshot import METRICS, take_snapshot
from chrysaetos.usage.tally import SimpleVMProject, tally
from chrysaetos.usage.weights import UNWEIGHTED
from chrysaetos.utc import DAY, utc_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from threading import Event

    from chrysaetos.usage.credits import CreditLedger
    from chrysaetos.usage.ledger import Ledger
    from chrysaetos.usage.records import Project, ServerUsage
    from chrysaetos.usage.site import Observation, Site
    from chrysaetos.usage.snapshot import Exposition
    from chrysaetos.usage.tally import Key, Totals
    from chrysaetos.usage.weights import Weights

__all__ = ["Updater"]

_LOG = logging.getLogger(__name__)
_MAX_CLOCK_STEP = 10.0
"""Seconds by which the clock may be set forward between two updates, as by NTP."""
_MIN_DIFFERENCE_HOURS = 0.01
"""Smaller differences come from rounding, since Nova reports seconds."""


def _uptime() -> float:
    """Return the seconds since the machine was started, including those in which it was suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Updater:
    """Keeps an exposition up to date.

    Args:
        site: the site to observe.
        exposition: the exposition to update.
        metrics: the metrics to export, see ``take_snapshot``.
        start: the start date, in seconds since the epoch.
        ledger: the usage counted so far; None to request all usage since the start date at each update.
        credit_ledger: the credits to charge the usage to; requires a ledger.
        weights: returns the weights. If it raises ``UsageError``, the previous weights stay in use; without
            previous weights, the update fails.
        weights_every: number of updates between two calls of ``weights``.
        simple_vm: id of the SimpleVM project, if there is one.
        whole_gib: see ``tally``.
        clock: returns the time in seconds since the epoch.
        uptime: returns the seconds since an event in the past, unaffected by changes of the clock.
    """

    def __init__(
        self,
        site: Site,
        exposition: Exposition,
        *,
        start: float,
        metrics: Mapping[str, tuple[str, str]] = METRICS,
        ledger: Ledger | None = None,
        credit_ledger: CreditLedger | None = None,
        weights: Callable[[], Weights] | None = None,
        weights_every: int = 10,
        simple_vm: str | None = None,
        whole_gib: bool = False,
        clock: Callable[[], float] = time.time,
        uptime: Callable[[], float] = _uptime,
    ) -> None:
        self._site = site
        self._exposition = exposition
        self._metrics = metrics
        self._start = start
        self._ledger = ledger
        self._credit_ledger = credit_ledger
        self._load_weights = weights
        self._weights_every = weights_every
        self._updates_until_weights = 0
        self._weights = UNWEIGHTED
        self._weights_known = weights is None
        self._simple_vm = simple_vm
        self._whole_gib = whole_gib
        self._clock = clock
        self._uptime = uptime
        self._trusted = clock(), uptime()
        self._names: dict[str, str] = ledger.names() if ledger else {}
        self._reconciled = clock()
        self._duplicates: Sequence[str] = ()

    def publish_ledger(self) -> None:
        """Publish the usage in the ledger, so that a restart leaves no gap until the first update."""
        if self._ledger is None:
            return
        projects = self._ledger.projects()
        if not projects:
            return
        try:
            self._refresh_weights()
        except UsageError as error:
            _LOG.warning("%s; publishing nothing until the first update", error)
            return
        self._publish(self._ledger.counted_until, projects, self._ledger.usages())

    def update(self) -> None:
        """Observe the site and publish the totals.

        Raises:
            UsageError: there are no weights yet, the site cannot be observed, or the ledger cannot be
                written. If only the ledger fails, the observed usage is published, and the next update
                requests it again.
        """
        self._refresh_weights()
        began = time.monotonic()
        now = self._now()
        since = self._ledger.counted_until if self._ledger else self._start
        if now < self._start:
            raise UsageError(
                f"the start date {utc_text(self._start)} is in the future: waiting", reason="clock"
            )
        if now < since:
            raise UsageError("the clock was set back before the last update: waiting", reason="clock")
        ends = [now]
        if self._credit_ledger:
            self._charge_until(self._credit_ledger, since)
            ends = self._credit_ledger.windows(since, now)
        for end in ends:
            self._count(since, end)
            since = end
        health = self._exposition.health
        health.succeeded, health.duration = self._clock(), time.monotonic() - began

    def _charge_until(self, credit_ledger: CreditLedger, until: float) -> None:
        """Charge the usage that was counted and not charged: the start date or the credits were replaced."""
        since = credit_ledger.charged_until
        if not -math.inf < since < until:
            return
        _LOG.warning(
            "charging the usage from %s to %s, which is not charged yet, as it is listed now",
            utc_text(since),
            utc_text(until),
        )
        for end in credit_ledger.windows(since, until):
            self._observe(since, end)
            since = end

    def _observe(self, since: float, until: float) -> Observation:
        """Observe the site in a window, and charge its usage."""
        try:
            observed = self._site.observe(since, until)
        finally:
            self._exposition.health.calls = self._site.calls
        self._report_duplicates(observed.duplicates)
        self._names.update(observed.names)
        if self._credit_ledger:
            self._credit_ledger.charge(since, until, partial(self._tally, observed.usages), observed.projects)
        return observed

    def _count(self, since: float, until: float) -> None:
        """Observe the site in a window, and charge, count and publish its usage."""
        observed = self._observe(since, until)
        usages: Iterable[ServerUsage] = observed.usages
        if self._ledger:
            try:
                self._ledger.add(until, observed.usages, observed.projects, observed.names)
            except UsageError:
                self._publish(until, observed.projects, self._combine(self._ledger, observed))
                raise
            usages = self._ledger.usages()
        self._publish(until, observed.projects, usages)

    def _report_duplicates(self, duplicates: Sequence[str]) -> None:
        self._exposition.health.duplicates = len(duplicates)
        if duplicates and duplicates != self._duplicates:
            _LOG.warning(
                "%d %s are listed more than once, and each is counted once: %s",
                len(duplicates),
                self._site.objects,
                ", ".join(duplicates[:10]),
            )
        self._duplicates = duplicates

    def _now(self) -> float:
        """Return the time; if the clock was set forward, the time that it would show otherwise.

        Nova counts a running server up to the end of the requested window, even if that is in the future.
        """
        now, uptime = self._clock(), self._uptime()
        trusted = self._trusted[0] + uptime - self._trusted[1]
        if now > trusted + _MAX_CLOCK_STEP:
            _LOG.warning(
                "the clock was set forward by %.0f s: not counting this time; if the clock is correct now, "
                "restart the exporter",
                now - trusted,
            )
            return trusted
        if now >= trusted:
            self._trusted = now, uptime
        return now

    def _combine(self, ledger: Ledger, observed: Observation) -> Iterable[ServerUsage]:
        """Return the usage of the ledger and of an observation. Only observed servers exist."""
        return chain((usage._replace(exists=False) for usage in ledger.usages()), observed.usages)

    def _publish(self, until: float, projects: Iterable[Project], usages: Iterable[ServerUsage]) -> None:
        # Credits that were restored from an older backup are not exported until they are charged.
        ledger = self._credit_ledger
        accounts = ledger.accounts(until) if ledger and ledger.charged_until >= until else ()
        self._exposition.publish(take_snapshot(until, projects, self._tally(usages), accounts, self._metrics))

    def _tally(self, usages: Iterable[ServerUsage]) -> dict[Key, Totals]:
        simple_vm = SimpleVMProject(self._simple_vm, self._names) if self._simple_vm else None
        return tally(usages, self._weights, simple_vm=simple_vm, whole_gib=self._whole_gib)

    def _refresh_weights(self) -> None:
        if self._load_weights is None:
            return
        if self._updates_until_weights == 0:
            try:
                self._weights = self._load_weights()
                self._weights_known = True
            except UsageError as error:
                if not self._weights_known:
                    raise UsageError(f"there are no weights yet: {error}", reason="weights") from error
                _LOG.warning("keeping the previous weights: %s", error)
                self._exposition.health.failures["weights"] += 1
                return
        self._updates_until_weights = (self._updates_until_weights + 1) % self._weights_every

    def reconcile(self) -> Mapping[str, float]:
        """Compare the counted usage with what Nova reports since the start date.

        This changes no totals: usage that was counted while a server existed is correct.

        Returns:
            For each server that differs, by instance id, the hours that Nova reports minus the counted hours.

        Raises:
            UsageError: the site cannot be observed.
        """
        if self._ledger is None:
            return {}
        until = self._ledger.counted_until
        hours: dict[str, float] = {}
        for usage in self._site.observe(self._start, until).usages:
            hours[usage.instance_id] = hours.get(usage.instance_id, 0.0) + usage.hours
        for usage in self._ledger.usages():
            hours[usage.instance_id] = hours.get(usage.instance_id, 0.0) - usage.hours
        differences = {
            instance: difference
            for instance, difference in hours.items()
            if abs(difference) >= _MIN_DIFFERENCE_HOURS
        }
        health = self._exposition.health
        health.missing = sum(difference for difference in differences.values() if difference > 0)
        health.vanished = -sum(difference for difference in differences.values() if difference < 0)
        return differences

    def _reconcile_daily(self) -> None:
        now = self._clock()
        if self._ledger is None or not self._site.has_history or now - self._reconciled < DAY:
            return
        self._reconciled = now
        try:
            differences = self.reconcile()
        except UsageError as error:
            _LOG.warning("reconciliation failed, and is tried again in a day: %s", error)
            return
        if differences:
            largest = sorted(differences, key=lambda instance: -abs(differences[instance]))[:10]
            _LOG.warning(
                "reconciliation: the usage of %d servers differs from Nova's report; largest differences: %s",
                len(differences),
                ", ".join(f"{instance} {differences[instance]:+.2f} h" for instance in largest),
            )

    def run(self, stop: Event, interval: float) -> None:
        """Update until ``stop`` is set, see ``keep_updating``."""

        def update() -> None:
            self.update()
            self._reconcile_daily()

        keep_updating(self._exposition.source, update, self._exposition.health, stop, interval)
