"""For an unmodified CloudKitty: collectors and scope fetchers for Prometheus, directly and through Aetos.

The folders are CloudKitty's: `common` holds the clients, `collector` the collectors, `fetcher` the fetchers.
"""
