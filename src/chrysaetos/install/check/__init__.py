"""``chrysaetos gateway check``: check an installation before the gateway starts, or while it runs.

configuration.py     what the gateway itself checks at its start, and options that nothing reads
permissions.py       permissions of files, and logs
listening.py         ports, and whether others can reach Prometheus
keystone.py          the gateway's own user
catalog.py           the gateway's entry in the catalog
prometheus.py        the servers and their engine
labels.py            how many series have the project's label
policy.py            rules, and what example callers may do
memcached.py         the shared token cache
certificates.py      expiry
probing.py           requests with a time limit, which the modules above use
clocks.py            the difference to the clocks of servers
tables.py            the tables that --verbose shows
command.py           the command

A check is a function that returns or yields findings. It changes nothing, and no finding has a secret.
"""
