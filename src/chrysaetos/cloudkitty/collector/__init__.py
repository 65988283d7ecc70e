"""Collectors: read the quantities that each scope has used in a period."""
