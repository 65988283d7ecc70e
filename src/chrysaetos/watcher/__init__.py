"""The datasource `aetos` for an unmodified Watcher decision engine (releases 14 to 17).

    plugin.py       what Watcher's entry point imports: puts the datasources into DataSourceManager
    datasource.py   AetosDatasource and PrometheusDatasource: where they ask
    grouped.py      what they have in common: Watcher's interface
    base.py         Watcher's base class, in all releases
    bulk.py         one query for all hosts or all instances, kept for the whole strategy run
    parts.py        how a cloud that is too large for one query is cut
    queries.py      Watcher's metrics as PromQL
    hosts.py        host names and the label values that stand for them
    connection.py   what Watcher's base class asks of its client, by `chrysaetos.client`
    failures.py     each failure as one line for operators
    strategies.py   lets two strategies bear hosts and instances without data
    start.py        what the decision engine says, and checks, when it starts
    check.py        the strategy `aetos_check`, an audit that only reads
    options.py      further options of [aetos_client] and [prometheus_client]

`queries`, `parts`, `bulk` and `hosts` know nothing of Watcher. Nothing is shared between strategy runs, and
nothing waits but on the network, so the same code serves eventlet (to release 16) and threads (from 17).
"""

from __future__ import annotations

__all__: list[str] = []
