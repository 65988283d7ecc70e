"""What operators see of the gateway: metrics and audit records."""
