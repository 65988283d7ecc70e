"""HTTP/1.1 for clients: ASGI applications, from the sockets to the worker processes."""
