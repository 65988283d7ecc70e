"""What a site shows a portal: exactly the series that were agreed, to holders of named tokens.

The gate: `policy` (what a token may see) and `gate` (from a request to what the upstream is asked) are pure;
`tokens` keeps the tokens' hashes in a file; `alone` and `main` serve it without the gateway. What a site and
a portal need: `site`, `registry` (the portal's sites), `portal`, `rules` and `dashboards` make files, which
`scaffold` writes.
"""
