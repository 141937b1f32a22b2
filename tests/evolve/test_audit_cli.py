"""``evolve audit`` and ``--require-sandbox`` as a person meets them: real processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TRIVIAL = str(Path(__file__).parents[2] / "bench" / "trivial")
HELD = (
    '"""Returns nothing.\n\nfamily: outputs\nexpect: wrong /not None/\n"""\n\n\n'
    "def cheat(honest, arguments):\n    return None\n"
)
WINS = HELD.replace("return None", "return honest(**arguments)")
CONTROL = HELD.replace("outputs", "honest").replace("wrong /not None/", "ok").replace("None\n", "honest(**arguments)\n")
# Refuses what the sandbox needs most, as a container might, and then runs the command line in this process.
WEAK = """
import errno, os, sys
from sandbox.inside import linux, seccomp
numbers = {**seccomp.NUMBERS[os.uname().machine], "landlock": linux.SYS_LANDLOCK_CREATE_RULESET}
rules = sorted((numbers[name], seccomp._refuse(errno.EPERM)) for name in ("unshare", "landlock"))
linux.prctl("no new privileges", linux.PR_SET_NO_NEW_PRIVS, 1)
seccomp.apply(seccomp._instruction(seccomp.LOAD_WORD, seccomp.OFFSET_NUMBER) + seccomp._decide(rules))
from evolve.cli import main
sys.argv = ["evolve", *sys.argv[1:]]
main()
"""


def evolve(folder: Path, *words: str, weak: bool = False) -> subprocess.CompletedProcess[str]:
    start = ["-c", WEAK] if weak else ["-m", "evolve"]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("EVOLVE_")}
    return subprocess.run(
        [sys.executable, *start, *words],
        cwd=folder,
        env={**environment, "COLUMNS": "200"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


@pytest.fixture
def cheats(tmp_path: Path) -> Path:
    (tmp_path / "cheats" / "honest").mkdir(parents=True)
    (tmp_path / "cheats" / "nothing.py").write_text(HELD)
    (tmp_path / "cheats" / "honest" / "plain.py").write_text(CONTROL)
    return tmp_path / "cheats"


def test_a_sound_evaluator_passes(tmp_path: Path, cheats: Path) -> None:
    done = evolve(tmp_path, "audit", TRIVIAL, "--cheats", str(cheats), "--honest", "3")
    assert done.returncode == 0, done.stderr
    for words in ("honest controls", "metamorphic relations", "checks switched off", "cheats", "passed: "):
        assert words in done.stdout
    assert "cheats ..." in done.stderr, "progress belongs on stderr"


def test_a_miss_fails_and_is_named(tmp_path: Path, cheats: Path) -> None:
    (cheats / "wins.py").write_text(WINS)
    words = ("audit", TRIVIAL, "--cheats", str(cheats), "--only", "cheats")
    done = evolve(tmp_path, *words)
    assert done.returncode == 1
    assert "missed: cheats: outputs: wins" in done.stderr
    assert "FAILED: " in done.stdout
    assert "1 missed" in done.stdout
    told = json.loads(evolve(tmp_path, *words, "--format", "json").stdout)
    assert (told["problem"], told["passed"], told["seed"]) == ("trivial", False, 0)
    assert {part["part"]: part["missed"] for part in told["parts"]} == {"cheats": 1, "leftovers": 0}
    verdicts = {finding["name"]: finding["verdict"] for finding in told["findings"]}
    assert verdicts == {"outputs: nothing": "held", "outputs: wins": "missed", "after all cheats": "held"}
    assert set(told["findings"][0]) == {"part", "name", "verdict", "expected", "found", "seconds"}


def test_details_list_what_held_as_well(tmp_path: Path, cheats: Path) -> None:
    done = evolve(tmp_path, "audit", TRIVIAL, "--cheats", str(cheats), "--only", "corrupted", "--details")
    assert done.returncode == 0, done.stderr
    assert "NaN in one place" in done.stdout


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["no_such_problem"], 2, "unknown problem 'no_such_problem'"),
        ([TRIVIAL, "--cheats", "nowhere"], 2, "'nowhere' does not exist"),
        ([TRIVIAL, "--cheats", "."], 1, "no cheats in"),
        ([TRIVIAL, "--only", "everything"], 2, "'everything' is not one of"),
    ],
)
def test_bad_input_is_one_clear_error(tmp_path: Path, words: list[str], code: int, told: str) -> None:
    done = evolve(tmp_path, "audit", *words)
    assert done.returncode == code
    assert told in done.stderr
    assert done.stderr.count("error: ") == 1
    assert "Traceback" not in done.stderr


def test_a_weaker_sandbox_than_required_is_refused_before_anything_runs(tmp_path: Path) -> None:
    run = ("run", TRIVIAL, "--pool", "serial", "--evaluations", "5", "--workload", "1")
    refused = evolve(tmp_path, *run, "--require-sandbox", "full", weak=True)
    assert refused.returncode == 1
    assert "error: a 'full' sandbox is required, and this machine gives 'limits'; missing: " in refused.stderr
    assert "hint: see evolve doctor, or allow less with --require-sandbox limits" in refused.stderr
    assert not (tmp_path / "evolve.db").exists(), "nothing may have been written"
    with_ray = evolve(tmp_path, *run[:2], "--evaluations", "5", "--require-sandbox", "full", weak=True)
    assert "missing: mount namespace" in with_ray.stderr
    allowed = evolve(tmp_path, *run, "--name", "weak", weak=True)
    assert "warning: neither mount namespaces nor Landlock work here" in allowed.stderr
    assert allowed.returncode in (0, 3), allowed.stderr
    shown = json.loads(evolve(tmp_path, "show", "0", "--run", "weak", "--format", "json").stdout)
    assert '"sandbox tier": "limits"' in json.dumps(shown)


def test_the_doctor_names_what_is_missing(tmp_path: Path) -> None:
    rows = json.loads(evolve(tmp_path, "doctor", "--format", "json", weak=True).stdout)
    states = {row["part"]: (row["state"], row["detail"]) for row in rows}
    assert states["sandbox: landlock"] == ("missing", "landlock: Operation not permitted")
    assert states["sandbox: mount namespace"][0] == "missing"
    assert states["sandbox: seccomp"] == ("works", "enforced")
    assert states["sandbox tier"] == ("works", "limits")


def test_the_environment_counts_for_score_and_audit_too(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.evolve]\nrequire_sandbox = "full"\n')
    (tmp_path / "program.py").write_text("def answer(size):\n    return None\n")
    done = evolve(tmp_path, "score", TRIVIAL, "program.py", weak=True)
    assert done.returncode == 1
    assert "a 'full' sandbox is required" in done.stderr


def test_names_on_the_command_line_are_those_of_the_rooms() -> None:
    from evaluators.audit.findings import Part
    from evolve.cli.auditing import PARTS
    from evolve.settings import SANDBOX_TIERS
    from sandbox import Tier

    assert tuple(Tier) == SANDBOX_TIERS
    assert {Part[name.upper()] for name in PARTS} == set(Part) - {Part.SANDBOX, Part.LEFTOVERS}
