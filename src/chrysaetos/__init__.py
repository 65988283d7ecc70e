"""Safe, fast access to each OpenStack project's own Prometheus metrics."""

__all__ = ["__version__"]

__version__ = "0.1.0"
