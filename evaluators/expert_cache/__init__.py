"""Expert offloading: which experts a GPU's cache keeps and fetches ahead, layer after layer, token after token."""
