"""Export the usage of each project of an OpenStack site as Prometheus metrics.

The pure modules are ``records`` (projects and the usage of their servers), ``weights``, ``tally`` (the
totals) and ``dummy`` (a site described in a file). ``projects`` queries Keystone, ``cloud`` Nova, and
``resources`` Cinder and Neutron; ``quotas`` queries the quotas of all three. ``ledger`` stores what has been
counted, and ``credits`` charges it to the grants in ``grants``. ``snapshot`` and ``serving`` expose the
metrics. ``updater`` runs the update loop. A source is what ``--sources`` names, such as ``servers``.
"""
