"""The tokens of portals, and which series of a site's Prometheus each token may read."""
