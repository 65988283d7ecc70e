"""The application: requests, exchanges, errors as answers, CORS."""
