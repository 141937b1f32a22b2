"""Shows and exports what the archive holds: leaderboard, live view, details, the winner as files.

May import: `db`, `evaluators`, rich. Returns renderables and text; only the command line prints.
"""
