"""Whole runs with a real server, a real judge and a real archive."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from db.archive import Archive
from db.records import CallState, NoteKind, RunRecord
from evaluators.model import Evaluation, Split
from evolve.config import ConfigError, resolve
from evolve.desk import DeskError
from evolve.runner import Flight
from evolve.session import new_run, open_session

TRIVIAL = Path(__file__).parents[4] / "bench" / "trivial"
KEY = "sk-test-of-a-whole-run-0123456789"
PRICES = "[faulty]\ninput = 1.0\noutput = 10.0\n"

HARMLESS = dict.fromkeys(("429", "500", "503", "empty_choices", "empty_text", "refused"), 1.0)
"""Faults of which server and client agree what they cost."""


class Watch:
    def __init__(self) -> None:
        self.said: list[str] = []

    def recorded(self, flight: Flight, evaluation: Evaluation, best_changed: bool) -> None: ...

    def tick(self, phase: str, in_flight: int, elapsed_seconds: float) -> None: ...

    def say(self, text: str) -> None:
        self.said.append(text)


def constant(prompt: str, rng: Random) -> str:
    """A new program for every request, in the form that the prompt asks for."""
    value = round(rng.uniform(0.2, 0.8), 9)
    program = f"import numpy as np\n\n\ndef answer(size):\n    return np.full(size, {value})\n"
    return f"SUMMARY: return {value}\n\n```python\n{program}```\n"


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with Archive.open(str(tmp_path / "a.db"), create=True) as opened:
        yield opened


@pytest.fixture
def begin(archive: Archive, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., RunRecord]:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    (tmp_path / "prices.toml").write_text(PRICES)

    def make(server: Any, problem: str = str(TRIVIAL), **flags: str) -> RunRecord:
        values = {"pool": "serial", "workload": "2", "seed": "1", "model": "faulty", "insights_every": "0"}
        values["without"] = "operators,tuner"  # so that all that happens is the models' doing
        return new_run(archive, problem, resolve({**values, "base_url": server.base_url, **flags}, {}, None))

    return make


def sit(archive: Archive, run: RunRecord, *, seconds: float = 60.0, final: bool = False, **changes: Any) -> Watch:
    watch, until = Watch(), time.monotonic() + seconds
    with open_session(archive, run, watch, changes=changes) as session:
        session.search(lambda: time.monotonic() > until)
        if final:
            assert session.final(lambda: False) is not None
    assert time.monotonic() < until, "it did not end by itself"
    return watch


def test_faults_cost_tokens_but_no_candidate_and_nothing_is_charged_twice(
    serve: Callable[..., Any], archive: Archive, begin: Callable[..., RunRecord]
) -> None:
    server = serve(faults=0.3, mix=HARMLESS, latency_seconds=0.02, retry_after_seconds=0.05, answer=constant)
    run = begin(server, evaluations="40", concurrency="8")
    sit(archive, run)
    done = archive.run_by_id(run.id)
    books = server.books()
    assert sum(sum(outcomes.values()) for outcomes in done.counts.values()) == 40
    assert done.calls == len(books["requests"])
    assert done.tokens == books["tokens"]
    assert books["most_in_flight"] <= 8
    calls = archive.calls(run.id)
    assert {call.result.state for call in calls if call.result} == {CallState.ANSWERED, CallState.FAILED}
    written = [archive.candidate(run.id, number) for number in range(2, done.candidates)]
    tickets = [candidate.ticket for candidate in written]
    assert len(set(tickets)) == len(tickets)
    assert all(candidate.proposer == "llm" and candidate.operator.endswith(" by faulty") for candidate in written)
    assert all(re.fullmatch(r"return 0\.\d+", candidate.note) for candidate in written)
    answered = {call.call.ticket for call in calls if call.result and call.result.state is CallState.ANSWERED}
    assert set(tickets) <= answered


def test_the_cost_never_passes_the_cap_with_sixteen_requests_at_once(
    serve: Callable[..., Any], archive: Archive, begin: Callable[..., RunRecord], tmp_path: Path
) -> None:
    server = serve(faults=0.2, latency_seconds=0.02, slow_seconds=0.1, retry_after_seconds=0.05, answer=constant)
    prices = str(tmp_path / "prices.toml")
    run = begin(server, cost="0.25", prices_file=prices, concurrency="16", max_tokens="1100")
    watch = sit(archive, run)
    done, books = archive.run_by_id(run.id), server.books()
    billed = (books["prompt_tokens"] * 1.0 + books["completion_tokens"] * 10.0) / 1e6
    assert billed <= done.cost + 1e-12
    assert done.cost <= 0.25
    assert done.cost > 0.15, "and most of the cap was put to use"
    assert any("the search ends" in said and "of $0.2500 spent" in said for said in watch.said), watch.said
    more = {"cost": 0.30}
    archive.set_config(run.id, {**run.config, **more})
    sit(archive, archive.run_by_id(run.id))
    assert 0.25 < archive.run_by_id(run.id).cost <= 0.30


def test_an_answer_of_no_use_is_asked_again_with_the_reason_then_counted(
    serve: Callable[..., Any], archive: Archive, begin: Callable[..., RunRecord]
) -> None:
    def stubborn(prompt: str, rng: Random) -> str:
        if rng.random() < 0.5:
            return "I would rather not write a program today."
        return constant(prompt, rng).replace("import numpy as np", "import os") if rng.random() < 0.5 else ""

    server = serve(answer=stubborn)
    run = begin(server, evaluations="12", concurrency="2")
    with open_session(archive, run, Watch()) as session:
        end = time.monotonic() + 60
        session.search(lambda: archive.run_by_id(run.id).calls > 30 or time.monotonic() > end)
    done = archive.run_by_id(run.id)
    assert done.candidates == 2, "nothing but seeds is in the archive"
    assert done.unusable > 0
    retried = [call for call in archive.calls(run.id) if len(call.call.messages) > 2]
    assert retried
    assert "import" in "".join(call.call.messages[-1].text for call in retried)
    assert max(len(call.call.messages) for call in retried) <= 2 + 2 * 2


def test_a_failed_program_is_repaired_and_insights_are_read_by_later_prompts(
    serve: Callable[..., Any], archive: Archive, begin: Callable[..., RunRecord]
) -> None:
    def careless(prompt: str, rng: Random) -> str:
        if "bullet" in prompt:
            return "- Constants near one half do best (insight 4711)."
        answer = constant(prompt, rng)
        return answer.replace("size, 0", "size + 1, 0") if rng.random() < 0.6 else answer

    server = serve(answer=careless)
    run = begin(server, evaluations="40", concurrency="2", insights_every="8")
    sit(archive, run)
    purposes = [call.call.purpose for call in archive.calls(run.id)]
    assert "repair" in purposes
    assert "insights" in purposes
    notes = archive.notes(run.id, kind=NoteKind.INSIGHTS)
    assert "insight 4711" in notes[-1].text
    assert "insight 4711" in archive.calls(run.id)[-1].call.messages[-1].text
    repaired = [archive.candidate(run.id, number) for number in range(2, archive.run_by_id(run.id).candidates)]
    parents = [candidate.parents for candidate in repaired if candidate.operator.startswith("repair")]
    assert parents
    for *_, broken in parents:
        assert archive.standing(run.id, broken).estimates == {}, "a repair names the program that had failed"


def test_nothing_of_the_hidden_split_is_in_any_prompt(
    serve: Callable[..., Any], archive: Archive, begin: Callable[..., RunRecord], tmp_path: Path
) -> None:
    folder = tmp_path / "veiled"
    folder.mkdir()
    source = (TRIVIAL / "problem.py").read_text()
    source = source.replace('Size(f"size-{index}"', 'Size(f"{NAMES[split]}-{index}"').replace("        del split\n", "")
    source = source.replace(
        "series.append(-float(np.abs(reply.value - 0.5).mean()))",
        "gap = float(np.abs(reply.value - 0.5).mean())\n"
        '            series.append(-(gap**1.37) if workload.name.startswith("veil") else -gap)',
    )
    names = 'NAMES = {Split.TRAIN: "size", Split.VALIDATION: "size", Split.HIDDEN: "veil"}\n\n\nDECLARATION = '
    source = source.replace("DECLARATION = ", names, 1)
    (folder / "problem.py").write_text(source)
    server = serve(answer=constant)
    run = begin(server, str(folder), evaluations="30", concurrency="2")
    sit(archive, run, final=True)
    before = len(archive.calls(run.id))
    archive.set_config(run.id, {**run.config, "evaluations": 60})
    sit(archive, archive.run_by_id(run.id))
    later = archive.calls(run.id)[before:]
    assert len(later) > 10
    seen, hidden = set(), set()
    for number in range(archive.run_by_id(run.id).candidates):
        for record in archive.evaluations(run.id, number):
            if record.evaluation and record.evaluation.score is not None:
                shown = {f"{record.evaluation.score:.1f}", f"{record.evaluation.score:.2f}"}
                (hidden if record.planned.split is Split.HIDDEN else seen).update(shown)
    only_hidden = hidden - seen
    assert len(only_hidden) >= 5
    for call in later:
        text = "\n".join(message.text for message in call.call.messages)
        assert "veil" not in text
        numbers = set(re.findall(r"-?\d+\.\d+", text))
        assert not numbers & only_hidden


def test_keys_and_the_secret_are_nowhere_in_the_archive(
    serve: Callable[..., Any], archive: Archive, begin: Callable[..., RunRecord], tmp_path: Path
) -> None:
    def tell_tale(prompt: str, rng: Random) -> str:
        return f"# my key is {KEY}\n" + constant(prompt, rng)

    server = serve(answer=tell_tale, key=KEY)
    run = begin(server, evaluations="8", concurrency="2")
    sit(archive, run)
    assert "my key is" in str(archive.calls(run.id)[-1].result)
    archive.close()
    for file in tmp_path.glob("a.db*"):
        assert KEY.encode() not in file.read_bytes()


def test_a_wrong_key_ends_the_run_with_a_hint(
    serve: Callable[..., Any], archive: Archive, begin: Callable[..., RunRecord]
) -> None:
    run = begin(serve(key="sk-another-key"), evaluations="8")
    with pytest.raises(DeskError) as caught:
        sit(archive, run)
    assert "hint:" in str(caught.value)
    assert KEY not in str(caught.value)
    assert archive.run_by_id(run.id).tokens == 0


def test_of_two_models_one_may_be_lost(
    serve: Callable[..., Any], archive: Archive, begin: Callable[..., RunRecord]
) -> None:
    run = begin(serve(answer=constant), evaluations="20", model="faulty:unknown=3,faulty=1", concurrency="2")
    watch = sit(archive, run)
    assert [said for said in watch.said if "model faulty:unknown is left out" in said]
    assert archive.run_by_id(run.id).candidates > 5


def test_what_a_dead_driver_had_sent_is_charged_as_held(
    serve: Callable[..., Any], archive: Archive, begin: Callable[..., RunRecord]
) -> None:
    run = begin(serve(answer=constant), evaluations="6", concurrency="2")
    sit(archive, run)
    last = archive.calls(run.id)[-1].call
    archive.begin_call(run.id, last)
    before = archive.run_by_id(run.id)
    archive.set_config(run.id, {**run.config, "evaluations": 8})
    with open_session(archive, archive.run_by_id(run.id), Watch()):
        assert archive.run_by_id(run.id).tokens == before.tokens + last.held_tokens
    assert archive.calls(run.id)[-1].result.state is CallState.LOST  # type: ignore[union-attr]


def test_whoever_stops_waits_for_answers_under_way_a_little(
    serve: Callable[..., Any], archive: Archive, begin: Callable[..., RunRecord]
) -> None:
    run = begin(serve(answer=constant, latency_seconds=0.5), evaluations="1000", concurrency="4")
    with open_session(archive, run, Watch()) as session:
        session.search(lambda: archive.run_by_id(run.id).calls >= 4)
    done = archive.run_by_id(run.id)
    assert done.candidates >= 6, "what was asked for was judged"
    assert all(call.result and call.result.state is CallState.ANSWERED for call in archive.calls(run.id))


def test_settings_that_cannot_be_kept_are_refused_before_anything_is_spent(
    serve: Callable[..., Any], archive: Archive, begin: Callable[..., RunRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve()
    with pytest.raises(ConfigError, match="nobody told what faulty costs"):
        begin(server, cost="1")
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(ConfigError, match="need a key"):
        new_run(archive, str(TRIVIAL), resolve({"model": "some"}, {}, None))
    assert server.books()["requests"] == []


def test_the_only_model_of_a_server_need_not_be_named(
    serve: Callable[..., Any], archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve()
    run = new_run(archive, str(TRIVIAL), resolve({"base_url": server.base_url}, {}, None))
    assert run.config["proposer"] == "llm"
    assert run.config["model"] == "faulty"
    assert run.config["cost"] is None, "no cap of a cost that nobody can count"


def test_when_time_is_up_answers_under_way_are_waited_for(
    serve: Callable[..., Any], archive: Archive, begin: Callable[..., RunRecord]
) -> None:
    run = begin(serve(answer=constant, latency_seconds=1.0), time="1s", concurrency="4")
    watch = sit(archive, run)
    assert [said for said in watch.said if "time is up" in said and "waited for" in said]
    done = archive.run_by_id(run.id)
    assert done.calls == done.candidates - 2 > 0, "what was asked for was judged, and nothing was asked afterwards"


def test_when_time_is_up_nothing_more_is_sent(
    serve: Callable[..., Any], archive: Archive, begin: Callable[..., RunRecord]
) -> None:
    server = serve(faults=0.6, mix={"429": 1.0}, retry_after_seconds=20.0, latency_seconds=0.1, answer=constant)
    run = begin(server, time="2s", concurrency="4")
    began = time.monotonic()
    sit(archive, run)
    assert time.monotonic() - began < 15, "those who were told to wait are given up"


def test_a_model_that_worked_and_fails_now_ends_the_search_but_not_the_run(
    serve: Callable[..., Any], archive: Archive, begin: Callable[..., RunRecord]
) -> None:
    """One error that says that nothing can succeed is not believed of a model that has just answered; many are."""
    server = serve(answer=constant, latency_seconds=0.02)
    run = begin(server, evaluations="400", concurrency="4")

    def grow_worse() -> bool:
        asked = len(server.entries)
        share = 0.0 if asked < 10 else 0.1 if asked < 40 else 1.0
        server.behaviour = type(server.behaviour)(faults=share, mix={"unknown": 1.0}, latency_seconds=0.02)
        return False

    watch = Watch()
    with open_session(archive, run, watch) as session:
        session.search(grow_worse)
        assert session.final(lambda: False) is not None
    missed = [entry["number"] for entry in server.books()["requests"] if entry["status"] == 404]
    answered = [entry["number"] for entry in server.books()["requests"] if entry["status"] == 200]
    assert min(missed) < max(answered), "it went on after the first one"
    assert [said for said in watch.said if "the search ends" in said and "does not exist" in said]


def test_two_servers_may_have_models_of_one_name(
    serve: Callable[..., Any], archive: Archive, begin: Callable[..., RunRecord], tmp_path: Path
) -> None:
    servers = [serve(answer=constant), serve(answer=constant)]
    tables = [f'[[model]]\nname = "faulty"\nbase_url = "{one.base_url}"\nconcurrency = 2\n' for one in servers]
    (tmp_path / "models.toml").write_text("\n".join(tables))
    flags = {"pool": "serial", "workload": "2", "seed": "1", "models_file": str(tmp_path / "models.toml")}
    run = new_run(archive, str(TRIVIAL), resolve({**flags, "evaluations": "24"}, {}, None))
    sit(archive, run)
    assert all(one.books()["requests"] for one in servers)
    with pytest.raises(ConfigError, match="goes nowhere beside models_file"):
        new_run(archive, str(TRIVIAL), resolve({**flags, "model": "other"}, {}, None))


def test_a_person_hears_why_nothing_comes_of_anything(
    serve: Callable[..., Any], archive: Archive, begin: Callable[..., RunRecord]
) -> None:
    run = begin(serve(answer=lambda prompt, rng: "No."), tokens="400000", concurrency="8")
    watch = sit(archive, run)
    assert [said for said in watch.said if "nothing has come of the last 10 drafts" in said and "no program" in said]
    assert archive.run_by_id(run.id).candidates == 2
