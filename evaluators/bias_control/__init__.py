"""Causal balance of expert loads by biases on router scores."""
