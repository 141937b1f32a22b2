"""The proposal server, the referee and the problems of bench/search."""

from __future__ import annotations

import importlib
import json
import re
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from evaluators.registry import load_problem
from evolve.proposers.llm.answers import AnswerError, read_answer
from evolve.proposers.llm.answers import Form as Wanted

SEARCH = Path(__file__).parents[2] / "bench" / "search"
CIRCLE = (SEARCH / "problems" / "circle" / "initial.py").read_text(encoding="utf-8")
POINT = (SEARCH / "problems" / "noisy" / "initial.py").read_text(encoding="utf-8")


def module(name: str) -> ModuleType:
    if str(SEARCH) not in sys.path:
        sys.path.append(str(SEARCH))  # as it is for a script, which finds its neighbours there
    return importlib.import_module(name)


def prompt(order: str, program: str = CIRCLE, *, other: str = "") -> str:
    inspiration = f"# Other programs\n\n```python\n{other}\n```\n\n" if other else ""
    return f"Improve it.\n\n# Current program\n\n```python\n{program}\n```\n\n{inspiration}# Task\n\n{order}\n"


WHOLE = prompt("Write the whole program.")
EDITS = "Use this form:\n<<<<<<< SEARCH\nold\n=======\nnew\n>>>>>>> REPLACE"
DIFF = prompt(EDITS)


def test_the_same_prompts_get_the_same_answers() -> None:
    proposer = module("proposer").Proposer
    first, second = proposer(3), proposer(3)
    answers = [first.propose(WHOLE).text for _ in range(5)]
    assert [second.propose(WHOLE).text for _ in range(5)] == answers
    assert len(set(answers)) == 5
    assert proposer(4).propose(WHOLE).text != answers[0]
    assert first.books()["proposals"] == 5


@pytest.mark.parametrize("program", [CIRCLE, POINT], ids=["circle", "noisy"])
@pytest.mark.parametrize("seed", range(12))
def test_edits_and_whole_programs_say_the_same(program: str, seed: int) -> None:
    """Every form of answer means the very program that was made, to our own reader."""
    changes, forms, reading = (module(name) for name in ("changes", "forms", "reading"))
    entry = "pack" if program == CIRCLE else "point"
    made = changes.change(program, [], Random(seed))
    read = []
    for wanted, asked in ((Wanted.WHOLE, prompt("Write it.", program)), (Wanted.EDIT, prompt(EDITS, program))):
        text = forms.answer(reading.read(asked), made.source, made.kind)
        try:
            read.append(read_answer(text, parent=program, entry=entry, wanted=wanted).source.strip())
        except AnswerError:
            assert made.kind in {"broken", "statement"}
            return
    assert set(read) == {made.source.strip()}


def test_what_an_edit_searches_for_occurs_once() -> None:
    lines = ["def pack():", *["    step(1)"] * 5, "    return 2"]
    old = "\n".join(lines)
    new = "\n".join([*lines[:3], "    step(3)", *lines[4:]])
    text = module("forms").edits(old, new)
    searched, replaced = text.removeprefix("<<<<<<< SEARCH\n").removesuffix("\n>>>>>>> REPLACE").split("\n=======\n")
    assert sum(old.startswith(searched, at) for at in range(len(old))) == 1
    assert old.replace(searched, replaced) == new


def test_the_program_to_change_is_the_one_that_the_prompt_names() -> None:
    reading = module("reading")
    other = CIRCLE.replace("0.12", "0.11")
    found = reading.read(prompt("Write it.", other=other))
    assert found.parent.source.strip() == CIRCLE.strip()
    assert [each.source.strip() for each in found.others] == [other.strip()]
    by_json = "Improve the parent.\n" + json.dumps({"inspiration": other, "parent": CIRCLE})
    assert reading.read(by_json).parent.source == CIRCLE
    assert reading.read("Sum up what was learnt.").parent is None


def test_tagged_answers() -> None:
    proposer = module("proposer").Proposer(0)
    order = "<NAME>\n</NAME>\n<CODE>\n```python\n# new\n```\n</CODE>"
    assert "<CODE>\n```python\n" in proposer.propose(prompt(order)).text
    order = "<DIFF>\n<<<<<<< SEARCH\n# old\n=======\n# new\n>>>>>>> REPLACE\n</DIFF>"
    assert "<DIFF>\n<<<<<<< SEARCH\n" in proposer.propose(prompt(order)).text


TORN = CIRCLE.replace("def pack(", "def pack((")


@pytest.mark.parametrize("order", ["Write the whole program.", EDITS], ids=["whole", "edits"])
def test_a_parent_that_does_not_parse_is_changed_all_the_same(order: str) -> None:
    proposer, reading = module("proposer").Proposer(0), module("reading")
    other = CIRCLE.replace("0.12", "0.11")
    asked = prompt(order, TORN, other=other)
    assert reading.read(asked).parent.source.strip() == TORN.strip()
    answers = [proposer.propose(asked) for _ in range(60)]
    assert {each.kind for each in answers} == {"numbers", "borrowed"}
    assert len({each.text for each in answers}) > 50
    assert proposer.books()["proposals"] == 60
    again = module("proposer").Proposer(0)
    assert [again.propose(asked).text for _ in range(60)] == [each.text for each in answers]
    assert {proposer.propose(prompt(order, TORN)).kind for _ in range(20)} == {"numbers"}


def test_text_keeps_all_but_its_numbers() -> None:
    changes = module("changes")
    text = 'LIMIT = 3\n\ndef pack((a1):  # not 7\n    """Nor 8."""\n    return a1 * 2.5 + "9'
    made = {changes.change(text, [], Random(seed)) for seed in range(40)}
    assert {each.kind for each in made} == {"numbers"}
    form = re.compile(re.escape(text).replace("3", r"\d+", 1).replace(r"2\.5", r"-?[\d.e-]+"))
    assert all(form.fullmatch(each.source) for each in made)
    assert len(made) > 10
    assert changes.change("def pack((", [], Random(0)).kind == "none"
    assert changes.change("def pack((", [CIRCLE], Random(0)).kind == "borrowed"


def test_logs_and_forms_are_no_programs() -> None:
    read = module("reading").read
    log = "The current program failed:\n\n```\nTraceback:\n  def pack((a):\nx = 1\n```\n"
    blank = "Write your program:\n\n```python\n# here\n```\n\n```python\ndef pack(:\n    ...\n```\n"
    assert read(log + blank).parent is None
    assert read(prompt("Write it.", TORN) + log + blank).parent.source.strip() == TORN.strip()


@pytest.mark.parametrize("parent", [CIRCLE, TORN], ids=["sound", "torn"])
def test_the_parent_may_stand_among_the_inspirations(parent: str) -> None:
    other = CIRCLE.replace("0.12", "0.11")
    shown = "".join(f"### Program {n}\n\n```python\n{each}\n```\n\n" for n, each in enumerate((parent, other)))
    asked = (
        f"# Current Program Information\n- score: 1\n\n# Program History\n## Other Inspirational Programs\n{shown}"
        f"# Current Program\n\n## Program Information\nscore: 1\n\n```python\n{parent}\n```\n\n# Task\nImprove it.\n"
        "```python\n# Your rewritten program here\n```\n"
    )
    found = module("reading").read(asked)
    assert found.parent.source.strip() == parent.strip()
    assert found.parent.heading.startswith("Program Information\nCurrent Program")
    assert [each.source.strip() for each in found.others] == [other.strip()]


SHAPES = {
    "gepa": "## Optimization Goal\nscore\n\n## Current Component\n\n```\n{parent}\n```\n\n## Evaluation Results\n\n"
    "```\n# Example 1\n## Score\n1\n```\n\n## Output Format\nOnly the new version within ``` blocks.\n",
    "openevolve": "# Current Program Information\nscore 1\n\n# Program Evolution History\n"
    "## Top Performing Programs\n\n"
    "### Program 1 (Score: 9.4)\n```python\n{other}\n```\n\n# Current Program\n```python\n{parent}\n```\n\n# Task\n"
    "Rewrite it.\n\n```python\n# Your rewritten program here\n```\n",
    "shinka": "Answer with <NAME>, <DESCRIPTION> and\n<CODE>\n```{{language}}\n# here\n```\n</CODE>\n\n"
    "# Prior programs\n\n"
    "```python\n{other}\n```\n\n# Current program\n\nThis is to be improved:\n\n```python\n{parent}\n```\n",
    "skydiscover": "# Program Generation History\n## Other Inspirational Programs\n\n"
    "### Program 1 (combined_score: 9.9)\n\n"
    "```python\n{other}\n```\n\n# Current Program\n\n## Program Information\ncombined_score: 9\n\n```python\n{parent}\n"
    "```\n\n# Task\nRewrite it.\n```python\n# Your rewritten program here\n```\n",
}
"""Headings and fences in the order in which each peer puts them; the words between are ours."""


@pytest.mark.parametrize("peer", sorted(SHAPES))
def test_the_parent_is_found_in_the_shape_of_each_peers_prompt(peer: str) -> None:
    read = module("reading").read
    other = CIRCLE.replace("0.12", "0.11")
    sound = read(SHAPES[peer].format(parent=CIRCLE, other=other))
    torn = CIRCLE.replace("def ", "def (", 1)
    found = read(SHAPES[peer].format(parent=torn, other=other))
    assert sound.parent.source.strip() == CIRCLE.strip()
    assert found.parent.source.strip() == torn.strip()
    assert found.parent.heading == sound.parent.heading
    assert found.form == sound.form


def ideas_prompt(shape: str) -> str:
    fields = '- "idea": what\n- "description": how\n- "approach_type": its kind\n'
    order = f"Each idea must be a JSON object with these fields:\n{fields}\nReturn ONLY a JSON {shape}. No other text."
    return f"## Current Best Program\n\n```python\n{CIRCLE}\n```\n\n{order}\n\n```json\n[]\n```\n"


def test_ideas_are_no_proposals() -> None:
    proposer = module("proposer").Proposer(0)
    ideas = json.loads(proposer.propose(ideas_prompt("array with 3 objects")).text)
    assert len(ideas) == 3
    assert all(each[key] for each in ideas for key in ("idea", "description", "approach_type"))
    wrapped = proposer.propose(ideas_prompt('object in this shape: {"ideas": [ ... ]} with 3 objects'))
    assert json.loads(wrapped.text) == {"ideas": ideas}
    assert proposer.propose(WHOLE).form == "whole"
    books = proposer.books()
    assert (books["requests"], books["ideas"], books["proposals"]) == (3, 2, 1)


def test_json_alone_is_answered_with_json() -> None:
    proposer = module("proposer").Proposer(0)
    code = f"Evaluate this.\n\n```python\n{CIRCLE}\n```\n\n"
    for order in ("Respond with valid JSON only.", "Return your evaluation as a JSON object with this form:\n{}"):
        assert json.loads(proposer.propose(code + order).text) == {}
    assert proposer.books()["proposals"] == 0
    assert proposer.propose(code + "Return ONLY a JSON object with the improved program.").form == "whole"
    told = "Return only JSON.\n\n" + prompt("Provide the complete new program.")
    assert proposer.propose(told).form == "whole"
    assert proposer.propose(DIFF + "Return your answer as JSON.").form == "diff"
    quoted = CIRCLE + '\nNOTE = "Return ONLY a JSON array."\n'
    assert proposer.propose(prompt("Write it.", quoted)).form == "whole"


@pytest.fixture
def server() -> Iterator[str]:
    served = module("proposer").make_server(module("proposer").Proposer(1))
    thread = threading.Thread(target=served.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{served.server_address[1]}"
    served.shutdown()
    thread.join(10)
    served.server_close()


def post(url: str, body: dict[str, Any]) -> str:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as response:
        return str(response.read().decode())


def test_the_server_streams_and_counts(server: str) -> None:
    body = {"model": "any", "messages": [{"role": "user", "content": DIFF}]}
    whole = json.loads(post(f"{server}/v1/chat/completions", body))
    assert whole["usage"]["prompt_tokens"] > 100
    streamed = post(f"{server}/v1/chat/completions", {**body, "stream": True})
    chunks = [json.loads(line[6:]) for line in streamed.splitlines() if line.startswith("data: {")]
    text = "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks)
    again = module("proposer").Proposer(1)
    assert [again.propose(DIFF).text for _ in range(2)] == [whole["choices"][0]["message"]["content"], text]
    assert streamed.rstrip().endswith("data: [DONE]")
    response = json.loads(post(f"{server}/v1/responses", {"model": "any", "input": WHOLE}))
    assert "```python" in response["output"][0]["content"][0]["text"]
    with urllib.request.urlopen(f"{server}/books", timeout=30) as books:
        assert json.load(books)["proposals"] == 3


def test_the_referee_keeps_the_budget(tmp_path: Path) -> None:
    problem = load_problem(str(SEARCH / "problems" / "circle"))
    log = tmp_path / "log.jsonl"
    referee = module("referee").Referee(problem, secret=bytes(32), budget=2, log=log)
    try:
        assert referee.evaluate(CIRCLE)["score"] == 0.0
        assert referee.evaluate(CIRCLE + "\n# the same\n")["score"] == 0.0
        better = referee.evaluate(CIRCLE.replace("SWEEPS = 2", "SWEEPS = 3"))
        assert better["outcome"] == "ok"
        assert referee.evaluate("def pack(:")["outcome"] == "rejected"
        assert referee.evaluate(CIRCLE.replace("SWEEPS = 2", "SWEEPS = 4"))["outcome"] == "budget"
        assert referee.count()["judged"] == 2
    finally:
        referee.close()
    entries = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    assert [entry["index"] for entry in entries] == [None, None, 1, 2]


def test_noise_hangs_on_the_workload_and_on_every_bit_of_the_point() -> None:
    problem = load_problem(str(SEARCH / "problems" / "noisy"))
    noisy = sys.modules[type(problem).__module__]
    point = np.linspace(-1.0, 1.0, 8)
    near = point + 1e-15
    seeds = [bytes([index]) * 32 for index in range(250)]
    here, there = (np.array([noisy.noise(seed, each) for seed in seeds]) for each in (point, near))
    assert noisy.noise(seeds[0], point) == here[0]
    assert abs(np.corrcoef(here, there)[0, 1]) < 0.25
    assert 0.8 * noisy.SIGMA < here.std() < 1.2 * noisy.SIGMA
    assert noisy.noise(seeds[0], -0.0 * point) == noisy.noise(seeds[0], 0.0 * point)


def test_the_highest_point_is_worth_100() -> None:
    noisy = load_problem(str(SEARCH / "problems" / "noisy"))
    optimum = sys.modules[type(noisy).__module__].OPTIMUM
    source = f"import numpy as np\n\ndef point():\n    return np.array({optimum.tolist()})\n"
    truth = module("truth").Truth("noisy")
    try:
        assert truth.of(source).score == pytest.approx(100.0)
        assert truth.of(POINT).score == pytest.approx(0.0)
        assert not truth.of("def point():\n    return 1\n").works
    finally:
        truth.close()


def test_an_overlap_or_a_circle_outside_is_refused() -> None:
    problem = load_problem(str(SEARCH / "problems" / "circle"))
    circle = sys.modules[type(problem).__module__]
    grid = (np.arange(26) % 6 + 0.5) / 6, (np.arange(26) // 6 + 0.5) / 6
    packed = np.column_stack([*grid, np.full(26, 1 / 12)])
    assert circle.overlap(packed) is None
    assert circle.outside(packed) is None
    rng = np.random.default_rng(0)
    for rule in circle.EXPECTED.rules:
        assert rule.fault(rule.spoil(packed, rng))
