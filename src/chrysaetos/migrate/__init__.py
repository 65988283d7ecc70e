"""Moving a service's configuration from Prometheus to Aetos: check, plan, apply, verify, roll back.

files → ConfFile (bytes and lines) → Layers (what the service reads) → Plan (edits) → Store (files)

conffile.py          a file as oslo.config reads it, with every byte kept        ┐
layers.py            several files and the environment; edits to them            │
differences.py       what changes, without secrets                               │ pure
findings.py          what a check found                                          │
plans.py             what a move changes                                         │
watcher.py, cloudkitty.py   the rules for each service                           ┘
files.py, changes.py        reading; replacing files as one, with backups and a journal
scope_states.py             CloudKitty's database, which changes with its files
clouds.py, nova.py, probes.py, audits.py, metric_map.py, releases.py   what surrounds a service
services.py                 what the command needs to know of a service
watcher_service.py, cloudkitty_service.py   the two there are
main.py, output.py          the command
"""
