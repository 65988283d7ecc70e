"""The ASGI application: requests, exchanges, errors as answers, CORS."""
