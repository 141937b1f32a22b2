"""Request routing: which serving instance gets a request, where cached prefixes pull one way and load the other."""
