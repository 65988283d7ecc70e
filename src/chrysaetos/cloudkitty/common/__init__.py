"""Clients, queries and options of the collectors and fetchers."""
