"""Run CloudKitty's own code, in its virtual environment:

    python rating_inside.py tables COPY --config-file FILE      create the tables of the database
    python rating_inside.py prepare PLAN --config-file FILE     write what is rated, and since when
    python rating_inside.py cycle REPORT --config-file FILE     one cycle of the processor

COPY is where to write SQLite's database, which is made in memory; empty with a server. PLAN is JSON: `costs`
(what is rated → cost of a unit), `done` (scope → when the last period that was rated began, ISO 8601),
`fetcher`, `collector`. REPORT is a file
for JSON: the `scopes` that were found, the `seconds` that it took, those of them for `collecting`.
"""

from __future__ import annotations

import json
import sqlite3
import sys
import time
from contextlib import closing
from datetime import datetime
from decimal import Decimal
from inspect import signature
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from cloudkitty import config, service  # noqa: F401  # config registers options
from oslo_config import cfg


class CycleEnded(Exception):
    """The processor would go to sleep until the next period."""


def create_tables(copy: str) -> None:
    """Create the tables: those of SQLite in memory, where the migrations can open two connections."""
    # These read options as they are imported, so the configuration has to be there.
    from cloudkitty import db, storage, storage_state  # noqa: PLC0415  # see above
    from cloudkitty.db import api as database_api  # noqa: PLC0415  # see above
    from cloudkitty.rating.hash.db import api as hashmap_api  # noqa: PLC0415  # see above

    if copy:
        cfg.CONF.set_override("connection", "sqlite://", "database")
    database_api.get_instance().get_migration().upgrade("head")
    hashmap_api.get_instance().get_migration().upgrade("head")
    storage.get_storage().init()
    storage_state.StateManager().init()
    if copy:
        with db.session_for_read() as session, closing(sqlite3.connect(copy)) as file:
            session.connection().connection.dbapi_connection.backup(file)


def prepare(plan: dict[str, Any]) -> None:
    """Write the costs, and what has been rated, into the tables."""
    from cloudkitty import storage_state  # noqa: PLC0415  # as above
    from cloudkitty.db import api as database_api  # noqa: PLC0415  # as above
    from cloudkitty.rating.hash.db import api as hashmap_api  # noqa: PLC0415  # as above

    hashmap, states = hashmap_api.get_instance(), storage_state.StateManager()
    database_api.get_instance().get_module_info().set_state("hashmap", True)
    dated = {"start": datetime(2020, 1, 1), "created_by": "operator"}
    if "start" not in signature(hashmap.create_mapping).parameters:  # before release 23
        dated = {}
    for name, cost in plan["costs"].items():
        rated = hashmap.create_service(name)
        hashmap.create_mapping(
            cost=Decimal(cost),
            map_type="flat",
            service_id=rated.service_id,
            **dated,
        )
    for scope, begin in plan["done"].items():
        states.set_last_processed_timestamp(
            scope,
            datetime.fromisoformat(begin),
            fetcher=plan["fetcher"],
            collector=plan["collector"],
            scope_key=cfg.CONF.collect.scope_key,
        )


def cycle(report: Path) -> None:
    """Let the real processor fetch the scopes and rate them, once."""
    from cloudkitty import orchestrator  # noqa: PLC0415  # as above

    def asleep(_: float) -> None:
        raise CycleEnded

    collect = orchestrator.Worker._do_collection
    collecting = 0.0

    def timed(*arguments: Any) -> Any:
        nonlocal collecting
        begun = time.monotonic()
        try:
            return collect(*arguments)
        finally:
            collecting += time.monotonic() - begun

    orchestrator.Worker._do_collection = timed
    processor = orchestrator.CloudKittyProcessor(0)
    orchestrator.time = SimpleNamespace(sleep=asleep)  # not for the whole process
    started = time.monotonic()
    try:
        processor.internal_run()
    except CycleEnded:
        seconds = time.monotonic() - started
        found = {"scopes": sorted(processor.tenants), "seconds": seconds, "collecting": collecting}
        report.write_text(json.dumps(found))


if __name__ == "__main__":
    command, given, *arguments = sys.argv[1:]
    service.prepare_service(["cloudkitty", *arguments])
    if command == "tables":
        create_tables(given)
    elif command == "prepare":
        prepare(json.loads(given))
    else:
        cycle(Path(given))
