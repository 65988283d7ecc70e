"""Authentication: Keystone alone decides who a caller is."""
