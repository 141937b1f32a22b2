"""The problem ``block_coreset``: the few experts that are loaded for a block of tokens (dynamic expert sharing)."""
