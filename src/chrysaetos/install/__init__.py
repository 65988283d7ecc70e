"""The installation of a gateway: its files, its user and its registration in Keystone.

``settings`` has the answers of the operator, ``files`` fills the templates with them, and ``init`` is the
command. Only the command ``chrysaetos`` imports this package. The folder ``deploy`` in the repository has the
same files with example values.
"""
