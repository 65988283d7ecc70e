"""Export the usage of each project of an OpenStack site as Prometheus metrics.

The pure modules are ``records`` (projects and the usage of their servers), ``weights``, ``tally`` (the
totals) and ``dummy`` (a site described in a file). ``cloud`` queries Keystone and Nova. ``ledger`` stores
what has been counted. ``snapshot`` and ``serving`` expose the metrics. ``updater`` runs the update loop.
"""
