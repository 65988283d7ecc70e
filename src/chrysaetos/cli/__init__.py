"""The ``chrysaetos`` command."""
