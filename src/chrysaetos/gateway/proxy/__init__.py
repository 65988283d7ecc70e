"""The path of a request to the upstream and back."""
