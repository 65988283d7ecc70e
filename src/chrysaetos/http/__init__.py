"""HTTP/1.1 for this product's servers. It knows nothing of Prometheus or tenants."""
