import os
import textwrap

import pytest
from oslo_config import cfg
from tests.fakes.clock import Clock

from chrysaetos.access.grants import PolicyAccess


@pytest.fixture
def policy(tmp_path):
    """A policy file: ``write`` changes it, ``access`` returns an access with it."""

    class Policy:
        def __init__(self):
            self.file = tmp_path / "policy.yaml"
            self.clock = Clock()
            (tmp_path / "aetos.conf").write_text(f"[oslo_policy]\npolicy_file = {self.file}\n")
            self.conf = cfg.ConfigOpts()
            self.conf(["--config-file", str(tmp_path / "aetos.conf")])

        def write(self, text):
            self.file.write_text(textwrap.dedent(text))
            os.utime(self.file, ns=(int(self.clock.now), int(self.clock.now) + self.file.stat().st_mtime_ns))

        def access(self, text="{}", domains=None):
            self.write(text)
            return PolicyAccess(self.conf, "project", domains=domains, clock=self.clock, size=100)

    return Policy()
