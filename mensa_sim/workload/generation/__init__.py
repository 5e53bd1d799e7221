"""Models that generate: token after token, with keys and values kept from one step to the next."""
