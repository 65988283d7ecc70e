"""HTTP/1.1 towards the upstream: pooled connections, and several replicas."""
