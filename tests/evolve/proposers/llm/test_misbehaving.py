"""The misbehaving server itself: what it does follows from its seed, and its answers are worth parsing."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any

PROGRAM = "import math\n\nFACTOR = 1.5\n\n\ndef plan(load):\n    return [x * 2 + math.pi for x in load][:10]\n"
SCRIPT = Path(__file__).parents[4] / "bench" / "misbehaving" / "server.py"


def post(base_url: str, model: str = "faulty") -> tuple[int, Any]:
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": f"```python\n{PROGRAM}```"}]})
    request = urllib.request.Request(f"{base_url}/chat/completions", body.encode())
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, None


def test_faults_follow_from_seed_and_number_alone(misbehaving: ModuleType) -> None:
    def faults(seed: int) -> list[list[str]]:
        server = misbehaving.Server(misbehaving.Behaviour(faults=0.3, seed=seed))
        return [server.fault_of(number, "faulty") for number in range(300)]

    assert faults(1) == faults(1) != faults(2)
    assert 60 < sum(map(bool, faults(1))) < 120


def test_a_models_name_commands_for_its_first_requests(misbehaving: ModuleType) -> None:
    server = misbehaving.Server(misbehaving.Behaviour(faults=1.0))
    assert [server.fault_of(0, "faulty:429*2+no_stream") for _ in range(3)] == [
        ["429", "no_stream"],
        ["429", "no_stream"],
        ["no_stream"],
    ]
    assert server.fault_of(0, "faulty:fine") == ["fine"]


def test_answers_change_one_number_of_the_program(misbehaving: ModuleType) -> None:
    results = set()
    for seed in range(60):
        answer = misbehaving.change_a_number(f"Here.\n```python\nother = 1\n```\n```python\n{PROGRAM}```", Random(seed))
        if "<<<<<<< SEARCH\n" in answer:
            old, new = answer.split("<<<<<<< SEARCH\n")[1].split("\n>>>>>>> REPLACE")[0].split("\n=======\n")
            assert PROGRAM.count(old) == 1
            changed = PROGRAM.replace(old, new)
        else:
            changed = answer.split("```python\n")[1].split("```")[0]
        ast.parse(changed)
        assert sum(a != b for a, b in zip(changed.splitlines(), PROGRAM.splitlines(), strict=True)) <= 1
        results.add(changed)
    assert len(results) > 20


def test_books_by_http_and_from_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def answer(prompt, rng):\n    return 'abcde' * 3\n")
    command = [sys.executable, str(SCRIPT), "--seed", "3", "--answer", f"{tmp_path / 'mine.py'}:answer"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            base_url = process.stdout.readline().strip()
            assert base_url.startswith("http://127.0.0.1:")
            status, answer = post(base_url)
            assert (status, answer["choices"][0]["message"]["content"]) == (200, "abcde" * 3)
            assert post(base_url, "faulty:500")[0] == 500
            with urllib.request.urlopen(base_url.replace("/v1", "/books"), timeout=10) as response:
                books = json.load(response)
        finally:
            process.terminate()
    assert [entry["status"] for entry in books["requests"]] == [200, 500]
    assert books["completion_tokens"] == answer["usage"]["completion_tokens"] == 4
    assert books["tokens"] == answer["usage"]["total_tokens"]
