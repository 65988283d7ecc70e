"""The endpoints that the gateway answers itself."""
