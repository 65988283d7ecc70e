"""PromQL: text → tokens → tree. Pure: it imports only the standard library and does no I/O."""
