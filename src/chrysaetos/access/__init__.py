"""Access control: oslo.policy rules, and the scopes that they grant."""
