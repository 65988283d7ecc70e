"""What a caller may do: oslo.policy rules, and the grants that follow from them."""
