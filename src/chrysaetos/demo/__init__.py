"""A real Keystone, a real Prometheus and sample tenants on one machine."""
