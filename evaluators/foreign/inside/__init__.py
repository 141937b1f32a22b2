"""What runs inside the sandbox, read as text and never imported by us."""
