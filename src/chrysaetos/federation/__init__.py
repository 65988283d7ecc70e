"""What a site shows a portal: exactly the series that were agreed, to holders of named tokens.

The gate: what a portal's token may read is decided in `chrysaetos.portals`; `alone` and `main` serve it
without the gateway. What a site and a portal need: `site`, `registry` (the portal's sites), `portal`,
`rules` and `dashboards` make files, which `scaffold` writes.
"""
