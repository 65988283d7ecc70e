"""The reverse proxy in front of Prometheus."""
