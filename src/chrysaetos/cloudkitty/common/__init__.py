"""The clients of collectors and fetchers, the queries that they send, and their options."""
