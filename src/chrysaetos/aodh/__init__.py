"""Prometheus alarms of Aodh, evaluated through the gateway."""
