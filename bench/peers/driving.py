"""What the adapters share: their arguments, the referee's answers and the two files that each writes at the end.

Standard library only, so that it runs in every peer's environment.
"""

from __future__ import annotations

import argparse
import json
import os
import urllib.request
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

REFEREE = "PEERS_REFEREE_URL"
"""Environment variable that tells an evaluator file, which gets only a path, where the referee listens."""
REQUEST_SECONDS = 600.0
OFFSET = 300.0
"""Added to every score that a peer sees. The referee's 0 is the starting program; a peer gives 0 to a failure and is
made for positive scores (OpenEvolve draws parents in proportion to them), so that unshifted, a program that does not
run would equal the starting program and beat every valid program that is worse. With 300, nought is about where sums
of radii and balance themselves are nought; what is valid and still lower counts as LEAST."""
LEAST = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One search of one peer: what it starts from, whom it asks and how many programs it may have judged."""

    initial: Path
    statement: str
    proposer_url: str
    referee_url: str
    proposals: int
    seed: int
    out: Path
    offset: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The referee's word on one program; score is None for a failure, higher is better."""

    score: float | None
    outcome: str
    reason: str

    @property
    def combined(self) -> float:
        """What a peer sees: 0 for a failure, else the score and the offset, and more than 0 in any case."""
        return 0.0 if self.score is None else max(self.score + OFFSET, LEAST)

    @property
    def budget_spent(self) -> bool:
        return self.outcome == "budget"


def read_job(offset: float = OFFSET) -> Job:
    """Parses an adapter's command line and tells the evaluator files of this process and its children the referee.

    ``offset`` is what its evaluator adds to every score.
    """
    parser = argparse.ArgumentParser()
    for name in ("--initial", "--statement", "--proposer-url", "--referee-url", "--out"):
        parser.add_argument(name, required=True)
    parser.add_argument("--proposals", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    os.environ[REFEREE] = options.referee_url
    out = Path(options.out).resolve()
    out.mkdir(parents=True, exist_ok=True)
    return Job(
        initial=Path(options.initial).resolve(),
        statement=Path(options.statement).read_text(),
        proposer_url=options.proposer_url,
        referee_url=options.referee_url,
        proposals=options.proposals,
        seed=options.seed,
        out=out,
        offset=offset,
    )


def _post(url: str, body: dict[str, object]) -> dict[str, object]:
    request = urllib.request.Request(
        url, json.dumps(body).encode(), {"Content-Type": "application/json", "Authorization": "Bearer none"}
    )
    with urllib.request.urlopen(request, timeout=REQUEST_SECONDS) as answer:
        return json.load(answer)


def judge(program: str, referee_url: str | None = None) -> Verdict:
    """Has the referee judge a program text."""
    answer = _post(f"{referee_url or os.environ[REFEREE]}/evaluate", {"program": program})
    return Verdict(
        score=answer["score"], outcome=str(answer.get("outcome", "")), reason=str(answer.get("reason") or "")
    )


def ask(proposer_url: str, prompt: str, seed: int) -> str:
    """One chat completion, for tools that take a function in the place of a model."""
    body = {"model": "scripted", "messages": [{"role": "user", "content": prompt}], "seed": seed}
    return _post(f"{proposer_url}/chat/completions", body)["choices"][0]["message"]["content"]


def write_leader(job: Job, package: str, *, program: str, reported: float, notes: str) -> None:
    """The program that the tool calls its best, and what it says of it, in the referee's scores."""
    (job.out / "leader.py").write_text(program)
    told = {"reported": reported - job.offset, "version": version(package), "notes": notes}
    (job.out / "leader.json").write_text(json.dumps(told, indent=1) + "\n")
