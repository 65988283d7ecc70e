"""HTTP/1.1 for clients, from the sockets to the worker processes."""
