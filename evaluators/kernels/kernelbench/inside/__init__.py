"""What runs in a sandbox with a user's file: text that the judge reads and never imports."""
