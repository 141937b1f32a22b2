"""kill -9 of a run at random moments, then resume: is anything lost, done twice or decided differently?

    python bench/kill_resume.py --kills 10 --evaluations 300

One undisturbed run and one that is killed again and again, both serial, with the same seed, the same secret and a
counting clock; every recorded evaluation is compared, program, workloads, score and order.
"""

from __future__ import annotations

import argparse
import random
import secrets
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from db.archive import Archive
from db.records import ArchiveError

TRIVIAL = str(Path(__file__).parent / "trivial")


def start(folder: Path, *words: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "evolve", *words]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def recorded(folder: Path) -> list[tuple[object, ...]]:
    with Archive.open(str(folder / "evolve.db")) as archive:
        run = archive.run(None)
        return [
            (candidate.number, candidate.source, record.planned, record.evaluation and record.evaluation.score)
            for candidate, record in archive.history(run.id)
        ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=10, help="how often to kill (default 10)")
    parser.add_argument("--evaluations", type=int, default=300, help="length of the runs (default 300)")
    parser.add_argument("--problem", default=TRIVIAL, help="problem (default: the trivial one)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the moments (default 0)")
    options = parser.parse_args()
    rng = random.Random(options.seed)
    words = ["run", options.problem, "--pool", "serial", "--clock", "counting", "--seed", "1"]
    words += ["--evaluations", str(options.evaluations), "--block-size", "60"]
    if options.problem == TRIVIAL:
        words += ["--workload", "3"]
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        whole, torn = Path(first), Path(second)
        secret = secrets.token_hex(32)
        for folder in (whole, torn):
            (folder / "secret").write_text(secret)
        begun = time.monotonic()
        process = start(whole, *words, "--secret-file", "secret")
        assert process.wait() == 0, process.stderr and process.stderr.read()
        usual = time.monotonic() - begun
        kills, lost = 0, 0
        process = start(torn, *words, "--secret-file", "secret")
        while kills < options.kills:
            # Start-up takes most of a second; the moments fall between there and a tenth of the run further.
            time.sleep(rng.uniform(0.3, 1.2 + usual / options.kills))
            if process.poll() is not None:
                break
            process.kill()
            process.wait()
            kills += 1
            try:
                before = recorded(torn)
            except ArchiveError:
                # Killed before there was a run: begin it again.
                process = start(torn, *words, "--secret-file", "secret")
                continue
            process = start(torn, "resume")
            time.sleep(0.05)
            lost += before != recorded(torn)[: len(before)]
        error = process.stderr.read().decode() if process.stderr else ""
        assert process.wait() == 0, error
        ours, theirs = recorded(torn), recorded(whole)
        keys = [(row[0], row[2]) for row in ours]
        with Archive.open(str(torn / "evolve.db")) as left, Archive.open(str(whole / "evolve.db")) as right:
            winners = left.run(None).best, right.run(None).best
        print(f"{kills} kills, {len(ours)} evaluations recorded, {len(theirs)} in the undisturbed run")
        print(f"lost after a kill: {lost}; evaluated twice: {len(keys) - len(set(keys))}")
        print(f"identical evaluation by evaluation: {ours == theirs}; winners {winners[0]} and {winners[1]}")
        sys.exit(0 if ours == theirs and winners[0] == winners[1] and not lost else 1)


if __name__ == "__main__":
    main()
