"""Which tenant sees what: scopes, scoping of PromQL, and the endpoint table. Pure."""
