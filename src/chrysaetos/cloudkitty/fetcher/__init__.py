"""Fetchers: which scopes there are to rate."""
