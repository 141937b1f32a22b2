"""A served run inside the test: real archive, real judge, real HTTP on a free loopback port."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from db.archive import Archive
from db.records import Purpose, RunRecord
from evaluators.model import Evaluation
from evolve.config import resolve
from evolve.evolution import Evolution
from evolve.external.app import make_app
from evolve.external.client import Address, Answer, call
from evolve.external.desk import ExternalDesk
from evolve.external.once import open_counter
from evolve.external.server import listening, serving, url_of
from evolve.runner import Flight
from evolve.session import new_run, open_session

TRIVIAL = str(Path(__file__).parents[3] / "bench" / "trivial")
TOKEN = "a token of a test".replace(" ", "-")


def program(value: float) -> str:
    return f"import numpy as np\n\n\ndef answer(size):\n    return np.full(size, {value!r})\n"


class Silent:
    def recorded(self, flight: Flight, evaluation: Evaluation, best_changed: bool) -> None:
        assert flight.planned

    def tick(self, phase: str, in_flight: int, elapsed_seconds: float) -> None:
        assert phase

    def say(self, text: str) -> None:
        assert text


class Clock:
    """Time that passes when the test says so."""

    def __init__(self) -> None:
        self.time = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time

    def pass_by(self, **span: float) -> None:
        self.time += timedelta(**span)


class House:
    """Serves a run until the test ends: the server outlives the search, so that every request has its answer."""

    def __init__(self, folder: Path) -> None:
        self.with_final = False
        self.clock = Clock()
        self.db = folder / "a.db"
        self.archive = Archive.open(str(self.db), create=True)
        self.run: RunRecord | None = None
        self.address = Address(url="", token=TOKEN, run="", pid=0)
        self.search_is_over = threading.Event()
        self.failure: BaseException | None = None
        self._stop = threading.Event()
        self._open = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, **settings: str) -> House:
        """Serve a new run, or the same one again after `stop`."""
        if self.run is None:
            flags = {"proposer": "external", "pool": "serial", "workload": "2", "seed": "3", "clock": "counting"}
            self.run = new_run(self.archive, TRIVIAL, resolve({**flags, **settings}, {}, None))
        self._stop.clear()
        self._open.clear()
        self.search_is_over.clear()
        self._thread = threading.Thread(target=self._drive)
        self._thread.start()
        assert self._open.wait(60)
        return self

    def stop(self) -> None:
        """End the sitting, as Ctrl-C does."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(60)
            assert not self._thread.is_alive()
        if self.failure is not None:
            raise self.failure

    def get(self, path: str) -> Any:
        answer = call(self.address, "GET", path, timeout_seconds=60)
        assert answer.status == 200, answer
        return answer.body

    def post(self, path: str, **document: Any) -> Answer:
        return call(self.address, "POST", path, document, timeout_seconds=90)

    def ask(self, asker: str = "agent") -> dict[str, Any]:
        answer = self.post("/ask", asker=asker)
        assert answer.status == 200, answer
        return dict(answer.body)

    def spent(self) -> int:
        """Evaluations that the archive holds, planned ones too, finals not."""
        assert self.run is not None
        counts = self.archive.run_by_id(self.run.id).counts
        done = sum(sum(counts[purpose].values()) for purpose in counts if purpose is not Purpose.FINAL)
        return done + len(self.archive.unfinished(self.run.id))

    def _drive(self) -> None:
        assert self.run is not None
        run = self.archive.run_by_id(self.run.id)
        try:
            with ExitStack() as stack:
                listener = stack.enter_context(listening("127.0.0.1", 0))
                counter = replace(open_counter(self.archive, run, {}, expires=timedelta(minutes=30)), now=self.clock)

                def make_desk(evolution: Evolution) -> ExternalDesk:
                    desk = counter.desk(evolution)
                    app = make_app(desk, counter.views, self.clock)
                    stack.enter_context(serving(app, listener, token=TOKEN, host="127.0.0.1"))
                    self.address = Address(url=url_of(listener), token=TOKEN, run=run.name, pid=0)
                    self._open.set()
                    self.desk = desk
                    return desk

                stack.enter_context(self.archive.driving(run.id))
                with open_session(self.archive, run, Silent(), make_desk=make_desk) as session:
                    session.search(self._stop.is_set)
                    self.search_is_over.set()
                    if self.with_final:
                        session.final(lambda: False)
                    self._stop.wait(120)
        except BaseException as error:  # noqa: BLE001 - the test's thread raises it
            self.failure = error
        finally:
            self.search_is_over.set()
            self._open.set()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    try:
        yield made
    finally:
        made.stop()
        made.archive.close()


@pytest.fixture(scope="module")
def lasting_house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One for all tests of a file that only read, or are refused."""
    made = House(tmp_path_factory.mktemp("house"))
    try:
        yield made.start()
    finally:
        made.stop()
        made.archive.close()


@pytest.fixture
def write_program() -> Callable[[float], str]:
    return program


@pytest.fixture
def as_json() -> Callable[[object], bytes]:
    return lambda value: json.dumps(value).encode()
