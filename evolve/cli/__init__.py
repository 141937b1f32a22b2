"""The command line. Data goes to stdout, messages and progress to stderr; only this package prints."""

from __future__ import annotations

from evolve.cli.app import main

__all__ = ["main"]
