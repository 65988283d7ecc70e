"""The datasource ``aetos`` for an unmodified Watcher decision engine (releases 14 to 17).

    plugin.py       the entry point that Watcher imports: installs the datasources in DataSourceManager
    datasource.py   AetosDatasource and PrometheusDatasource: endpoint and credentials
    grouped.py      their common base class: Watcher's interface
    base.py         Watcher's base class, for all releases
    bulk.py         one query for all hosts or instances, cached for the strategy run
    parts.py        splits a cloud that is too large for one query
    queries.py      Watcher's metrics as PromQL
    hosts.py        host names and their label values
    connection.py   the client interface that Watcher's base class uses
    failures.py     one-line messages for operators
    strategies.py   makes two strategies tolerate hosts and instances without data
    start.py        the check at the start of the decision engine
    check.py        the strategy ``aetos_check``, an audit that only reads
    options.py      additional options of [aetos_client] and [prometheus_client]

``queries``, ``parts``, ``bulk``, ``hosts`` and ``failures`` do not import Watcher. Strategy runs share no
state, and the code blocks only on the network, so it works with eventlet (up to release 16) and with threads
(from 17).
"""

from __future__ import annotations

__all__: list[str] = []
