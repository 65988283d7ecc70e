"""A site of the usage exporter whose servers a test changes."""

from chrysaetos.usage.records import Project, ServerUsage
from chrysaetos.usage.site import Observation

__all__ = ["HOUR", "PROJECT", "START", "FakeSite"]

START = 1_000_000.0
HOUR = 3600.0
PROJECT = Project("p", "one", "d", "default")


class FakeSite:
    """A site with servers of two CPUs.

    Attributes:
        servers: launch time and end (or None) of each server, by id.
        windows: the windows that were observed.
    """

    identity = "fake"
    objects = "servers"
    has_history = True

    def __init__(self):
        self.calls = 0
        self.projects = [PROJECT]
        self.servers = {"i": (START, None)}
        self.names = {}
        self.duplicates = []
        self.error = None
        self.windows = []

    def observe(self, start, end):
        self.calls += 1
        self.windows.append((start, end))
        if self.error:
            raise self.error
        usages = []
        for name, (launched, ended) in self.servers.items():
            seconds = min(end, ended or end) - max(start, launched)
            usages.append(ServerUsage(name, "p", 2, 1024, 0, max(0, seconds) / HOUR, launched, ended is None))
        return Observation(self.projects, usages, self.names, self.duplicates)
