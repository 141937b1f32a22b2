"""Shows and exports what the archive holds: leaderboard, live view, details, the winner as files.

May import: `db`, `evaluators`, rich. Returns renderables and text; only the command line prints.
A returned ``str`` is finished text: write it as it is, not through rich's markup.
Names: `formats.render`, `leaderboard.leaderboard`, `arms.arms_table`, `evaluation.evaluation_view`, `live.live_view`,
`export.export_module`.
"""
