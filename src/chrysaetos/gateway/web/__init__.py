"""The web page as a part of the gateway: its endpoints, and the API by its cookie."""
