"""Names of the workloads that need no file, and which of them a problem is measured on where nobody says."""

from __future__ import annotations

import difflib

GENERATED = "generated"
OWN = "own"

NAMED = frozenset({GENERATED, OWN})
"""Whatever else is given is the path of a trace."""

DEFAULT_WORKLOAD = OWN
"""What the problems of `TRACED` are measured on by default."""

TRACED = frozenset(
    {"adaptive_topk", "bias_control", "block_coreset", "eplb", "expert_cache", "placement", "token_dispatch"}
)
"""Built-in problems whose default that is. `eplb_speed` takes these traces too, but 64 experts in 8 layers are planned
in no time; it is about models of the size of DeepSeek-V3, which only the generator gives."""


def default_workload(problem: str) -> str:
    """The workload of a problem, by its name on the command line, where nobody says."""
    return DEFAULT_WORKLOAD if problem in TRACED else GENERATED


def no_such_workload(text: str) -> str:
    """Why a text is no workload, and what to give instead, for an error."""
    close = difflib.get_close_matches(text, sorted(NAMED), n=1)
    meant = f"did you mean {close[0]!r}? " if close else ""
    return f"no workload {text!r}, and no such file; {meant}use {GENERATED!r}, {OWN!r}, or the path of a trace"
