"""What each project of an OpenStack site has used, as Prometheus metrics.

The pure parts: `records` (projects and what their servers used), `weights`, `tally` (the sums), `dummy` (an
invented site from a file). What feeds them: `nova` and `keystone`. What remembers: `ledger`. What serves:
`snapshot` and `serving`. What drives them: `updater`.
"""
