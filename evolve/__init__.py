"""Decides what to try next, runs the loop, owns the command line.

May import: every other room, click, rich. Names: `Evolution`, `Runner`, `Proposer`, `Selector`, `Budget`.
"""

__version__ = "0.1.0"
