"""The problem ``adaptive_topk``: how many experts, and which, every token visits under a budget."""
