"""What the holder of a portal's token may read from a site's Prometheus."""
