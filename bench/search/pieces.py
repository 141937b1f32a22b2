"""One piece of the contest: a system on a problem with a seed, and the file that tells what came of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PROBLEMS = HERE / "problems"
PROBLEM_NAMES = ("circle", "noisy", "eplb_small")
RESULTS = HERE / "results"


@dataclass(frozen=True, kw_only=True)
class Piece:
    """What came of one system on one problem with one seed.

    Args:
        system: name of the system.
        problem: name of the problem.
        seed: of the proposer, of the workloads and of the system.
        proposals: how many programs it might propose.
        error: why it did not come to its end; empty if it did. What it had found until then counts.
        programs: texts by digest.
        curve: digest of the program that the system would have called best after each proposal, the initial one first.
        leader: digest of the program that it hands out at the end.
        reported: the score that it reports for that; None where it reports none.
        low: lower end of the 95 % interval that it reports, if any.
        high: upper end.
        judged: programs judged beside the initial one.
        evaluations: evaluations of any kind.
        seconds: wall time from start to end of the system.
        more: whatever else is worth keeping.
    """

    system: str
    problem: str
    seed: int
    proposals: int
    error: str = ""
    programs: dict[str, str]
    curve: list[str]
    leader: str
    reported: float | None
    low: float | None = None
    high: float | None = None
    judged: int
    evaluations: int
    seconds: float
    more: dict[str, Any] = field(default_factory=dict)

    def save(self, folder: Path) -> None:
        """Write the piece whole or not at all."""
        path = path_of(folder, self.system, self.problem, self.seed)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(asdict(self)), encoding="utf-8")
        partial.replace(path)

    def at(self, k: int) -> str:
        """Digest of the program called best after k proposals; after its last one nothing changes."""
        return self.curve[min(k, len(self.curve) - 1)]


def path_of(folder: Path, system: str, problem: str, seed: int) -> Path:
    """Where a piece is kept."""
    return folder / "pieces" / f"{problem}__{system}__{seed}.json"


def load(path: Path) -> Piece:
    """Read a piece."""
    return Piece(**json.loads(path.read_text(encoding="utf-8")))


def all_pieces(folder: Path) -> Iterator[Piece]:
    """Every finished piece, by name."""
    for path in sorted((folder / "pieces").glob("*.json")):
        yield load(path)


def digest_of(source: str) -> str:
    """A program's name in the files."""
    return hashlib.sha256(source.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def named(sources: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Texts by digest, and the digests in the given order."""
    names = [digest_of(source) for source in sources]
    return dict(zip(names, sources, strict=True)), names
