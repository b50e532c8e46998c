"""What a network is worth: predictions, statistics, robustness, the claims ledger."""
