"""``evolve doctor``: test, not assume, what works on this machine."""

from __future__ import annotations

import click

from evolve.cli.common import DB_OPTION, DOCUMENT_FORMAT_OPTION, show, show_json


@click.command()
@DB_OPTION
@DOCUMENT_FORMAT_OPTION
@click.pass_context
def doctor(ctx: click.Context, db: str, fmt: str) -> int:
    """Test Python, Ray, the database, every layer of the sandbox, and what kernels would need.

    Exit 1 when something that a run needs does not work.
    """
    from evolve.doctor import examine
    from reports.formats import Column, render

    findings = examine(db)
    rows = [{"part": f.part, "state": f.state.value, "detail": f.detail, "hint": f.hint} for f in findings]
    if fmt == "json":
        show_json(rows)
    else:
        columns = [
            Column(title="part", path=("part",), numeric=False),
            Column(title="state", path=("state",), numeric=False),
            Column(title="detail", path=("detail",), numeric=False, flexible=True),
            Column(title="hint", path=("hint",), numeric=False, flexible=True, priority=1),
        ]
        show(ctx, render(rows, columns, "table"))
    return 1 if any(finding.state.value == "broken" for finding in findings) else 0
