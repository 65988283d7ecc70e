"""Run Watcher's own code, in its virtual environment:

    python watcher_inside.py FILE    print its datasources and `[aetos_client]` as Watcher reads them, as JSON

The options of the file are read as Watcher registers them, and it validates the datasources as for an audit.
If it refuses them, this fails with its error.
"""

from __future__ import annotations

import json
import sys

from watcher.common import clients, service  # noqa: F401  # service registers options
from watcher.decision_engine.datasources.manager import DataSourceManager

from chrysaetos.migrate.installed_watcher import installed_release
from watcher import conf

installed_release()  # takes seconds, so it is read once for all programs in forks of a process

if __name__ == "__main__":
    CONF = conf.CONF
    arguments = ["--config-file", sys.argv[1]]
    CONF(arguments, project="watcher", default_config_files=[], default_config_dirs=[])
    manager = DataSourceManager(config=CONF.watcher_datasources, osc=clients.OpenStackClients())
    sys.stdout.write(json.dumps([manager.datasources, dict(CONF.aetos_client)]))
