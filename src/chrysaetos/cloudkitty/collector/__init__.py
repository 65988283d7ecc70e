"""Collectors: how much of what each scope has used in a period."""
