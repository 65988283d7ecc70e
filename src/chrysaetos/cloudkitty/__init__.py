"""Collectors and scope fetchers for an unmodified CloudKitty, for Prometheus itself and through Aetos.

The packages have CloudKitty's names: ``common`` has the clients, ``collector`` and ``fetcher`` the rest.
"""
