"""Fetchers: find the scopes to rate."""
