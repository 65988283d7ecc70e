"""The federation gate as a part of the gateway."""
