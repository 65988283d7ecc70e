"""Move a service's configuration from Prometheus to Aetos: check, plan, apply, verify, roll back.

files → ConfFile (bytes and lines) → Layers (effective values) → Plan (edits) → Store (files)

conffile.py          a file as oslo.config reads it, without losing a byte       ┐
layers.py            several files and the environment; edits of the files       │
differences.py       diffs without secrets                                       │ pure
plans.py             the changes of a move                                       │
watcher_releases.py  what each release of Watcher accepts                        │
watcher.py, cloudkitty.py   the rules for each service                           ┘
installed_watcher.py        the same as watcher_releases, read from an installed Watcher
files.py, changes.py        read files; replace several files together, with backups and a journal
scope_states.py             CloudKitty's database, which changes together with its files
clouds.py, nova.py, probes.py, audits.py, metric_map.py   checks of Keystone, Nova, the gateway and Watcher
services.py                 the interface of a service
watcher_service.py, cloudkitty_service.py   the two services
main.py, output.py          the command
"""
