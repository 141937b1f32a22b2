from __future__ import annotations

import contextlib
import http.client
import json
import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from evolve.external.client import Address, call

if TYPE_CHECKING:
    from collections.abc import Callable


def raw(house: Any, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, Any]:
    """A request as it is, without our client."""
    place = urlsplit(house.address.url).netloc
    connection = http.client.HTTPConnection(place, timeout=60)
    try:
        sent = {"Authorization": f"Bearer {house.address.token}", "Content-Type": "application/json", **headers}
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in sent.items() if value})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def test_an_asker_reads_the_task_takes_an_order_and_gets_a_score(
    house: Any, write_program: Callable[[float], str]
) -> None:
    house.start()
    task = house.get("/task")
    assert task["interface"] == {
        "entry": "answer", "parameters": ["size"], "allowed_imports": ["math", "numpy"], "template": None
    }  # fmt: skip
    assert [seed["name"] for seed in task["seeds"]] == ["fifth", "zero"]
    assert "Define answer(size)" in task["text"]
    order = house.ask("ann")
    assert order["ticket"] == 1
    assert order["asker"] == "ann"
    assert order["parent"]["source"].startswith('"""Return a constant."""')
    assert order["parent"]["train"]["score"] in (0.0, 40.0)
    assert "order 1" in order["prompt"]
    told = house.post("/evaluate", ticket=1, program=write_program(0.4), asker="ann", summary="nearer")
    assert told.status == 200
    assert told.body["candidate"] == 2
    assert told.body["evaluation"]["outcome"] == "ok"
    assert told.body["evaluation"]["split"] == "train"
    assert told.body["evaluation"]["score"] == pytest.approx(80)
    candidate = house.get("/candidates/2")
    assert candidate["source"] == write_program(0.4)
    assert (candidate["operator"], candidate["note"], candidate["parents"]) == (
        "ann",
        "nearer",
        [order["parent"]["number"]],
    )
    assert house.get("/leaderboard?top=1")[0]["number"] == 2
    assert house.get("/status")["open_orders"] == []


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer wrong", "Basic YTpi", "Bearer a-token-of-a-tesT"])
def test_nobody_comes_in_without_the_token(lasting_house: Any, header: str) -> None:
    for method, path in (("GET", "/status"), ("GET", "/task"), ("POST", "/ask"), ("GET", "/candidates/0")):
        status, body = raw(lasting_house, method, path, b"{}" if method == "POST" else None, Authorization=header)
        assert status == 401
        assert set(body) == {"error", "hint"}
    assert lasting_house.get("/status")["open_orders"] == []


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "192.0.2.7", "[2001:db8::1]:80", "localhost.evil.example"]
)
def test_a_name_that_is_not_ours_is_refused(lasting_house: Any, host: str) -> None:
    assert raw(lasting_house, "GET", "/status", Host=host)[0] == 421
    assert raw(lasting_house, "GET", "/status", Host="localhost:1")[0] == 200


def test_a_program_that_is_too_long_is_refused(lasting_house: Any, as_json: Callable[[object], bytes]) -> None:
    for size, status in ((100_001, 413), (900_000, 413), (5, 422)):
        answer = lasting_house.post("/evaluate", program="x" * size)
        assert answer.status == status
        assert set(answer.body) == {"error", "hint"}
    assert raw(lasting_house, "POST", "/evaluate", as_json({"program": "é" * 60_000}))[0] == 413


@pytest.mark.parametrize("chunks", [40, 300])
def test_a_body_without_an_announced_length_is_bounded_too(lasting_house: Any, chunks: int) -> None:
    place, token = urlsplit(lasting_house.address.url), lasting_house.address.token
    head = f"POST /evaluate HTTP/1.1\r\nHost: {place.netloc}\r\nAuthorization: Bearer {token}\r\n"
    with socket.create_connection((place.hostname, place.port), timeout=60) as line:
        line.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
        with contextlib.suppress(OSError):  # it may close the line on us where this is far too much
            for _ in range(chunks):
                line.sendall(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
            line.sendall(b"0\r\n\r\n" if chunks < 100 else b"")
            assert line.recv(12) == b"HTTP/1.1 413"
    assert lasting_house.get("/status")["phase"] != "over"


def test_refusals_say_why_and_leave_the_order_open(house: Any, write_program: Callable[[float], str]) -> None:
    house.start()
    order = house.ask()
    broken = house.post("/evaluate", ticket=order["ticket"], program="def answer(size:\n")
    assert (broken.status, "does not parse" in broken.body["error"]) == (422, True)
    forbidden = house.post("/evaluate", ticket=order["ticket"], program="import os\ndef answer(size):\n    return 0\n")
    assert forbidden.status == 422
    copied = house.post("/evaluate", ticket=order["ticket"], program=order["parent"]["source"] + "\n# nothing new\n")
    assert (copied.status, copied.body["candidate"]) == (409, order["parent"]["number"])
    assert house.post("/evaluate", ticket=order["ticket"], program=write_program(0.3), parents=[77]).status == 404
    assert house.post("/evaluate", ticket=99, program=write_program(0.3)).status == 404
    assert [each["ticket"] for each in house.get("/status")["open_orders"]] == [order["ticket"]]
    before = house.spent()
    done = house.post("/evaluate", ticket=order["ticket"], program=write_program(0.3))
    assert done.status == 200
    again = house.post("/evaluate", ticket=order["ticket"], program=write_program(0.31))
    assert (again.status, again.body["candidate"]) == (409, done.body["candidate"])
    assert "settled" in again.body["error"]
    assert house.spent() > before
    house.stop()
    now = house.archive.run_by_id(house.run.id)
    assert (now.duplicates, now.unusable) == (1, 0)  # what is unusable never reaches the driver


def test_the_same_program_sent_again_gets_the_same_answer(house: Any, write_program: Callable[[float], str]) -> None:
    house.start()
    ticket = house.ask()["ticket"]
    first = house.post("/evaluate", ticket=ticket, program=write_program(0.2), wait_seconds=0)
    assert first.status in (200, 202)
    second = house.post("/evaluate", ticket=ticket, program=write_program(0.2))
    third = house.post("/evaluate", ticket=ticket, program=write_program(0.2))
    assert second.status == third.status == 200
    assert second.body == third.body
    assert house.get("/status")["candidates"] == 3


def test_a_program_of_ones_own_needs_no_ticket(house: Any, write_program: Callable[[float], str]) -> None:
    house.start()
    plain = house.post("/evaluate", program=write_program(0.41), asker="ann")
    assert house.get(f"/candidates/{plain.body['candidate']}")["parents"] == [0]  # the best seed
    named = house.post("/evaluate", program=write_program(0.42), parents=[2, 1, 2])
    assert house.get(f"/candidates/{named.body['candidate']}")["parents"] == [2, 1]


def test_a_program_that_fails_is_a_verdict_and_no_refusal(house: Any) -> None:
    house.start()
    told = house.post("/evaluate", program="def answer(size):\n    return 1 / 0\n")
    assert told.status == 200
    assert told.body["evaluation"]["outcome"] == "crashed"
    assert told.body["evaluation"]["score"] is None
    assert house.get("/candidates/2")["train"] is None


def test_notes_reach_the_next_author(house: Any, write_program: Callable[[float], str]) -> None:
    house.start()
    house.ask()
    assert house.post("/notes", text="halves are\nwarmest", asker="ann", candidate=0).body == {"kept": True}
    house.post("/evaluate", program=write_program(0.4), hypothesis="rounding matters")
    prompt = house.ask()["prompt"]
    assert "halves are warmest" in prompt
    assert "rounding matters" in prompt
    assert house.post("/notes", text="lost", candidate=55).status == 404


@pytest.mark.parametrize(
    ("path", "document"),
    [
        ("/ask", {"asker": "a b"}),
        ("/ask", {"asker": "ann", "askr": "typo"}),
        ("/ask", {"wait_seconds": 1e9}),
        ("/evaluate", {}),
        ("/evaluate", {"program": 3}),
        ("/evaluate", {"program": "\ud800"}),
        ("/evaluate", {"program": "x", "parents": list(range(50))}),
        ("/evaluate", {"program": "x", "ticket": 10**30}),
        ("/evaluate", {"program": "x", "ticket": True}),
        ("/evaluate", {"program": "x", "ticket": "1"}),
        ("/evaluate", {"program": "x", "wait_seconds": True}),
        ("/notes", {"text": ""}),
        ("/notes", {"text": " \n\u202e\u200b"}),
    ],
)
def test_a_malformed_request_is_explained(lasting_house: Any, path: str, document: dict[str, Any]) -> None:
    answer = lasting_house.post(path, **document)
    assert answer.status == 422
    assert set(answer.body) == {"error", "hint"}


def test_no_file_can_be_read(lasting_house: Any) -> None:
    for path in ("/../a.db", "/candidates/..%2f..%2fa.db", "/static/a.db", "//etc/passwd", "/docs", "/"):
        status, body = raw(lasting_house, "GET", path)
        assert status in (404, 422), path
        assert "secret" not in json.dumps(body)
    assert raw(lasting_house, "POST", "/ask", b"{not json")[0] == 422
    assert raw(lasting_house, "DELETE", "/status")[0] == 405


def test_the_description_is_complete(lasting_house: Any) -> None:
    status, document = raw(lasting_house, "GET", "/openapi.json", Authorization="")
    assert status == 200
    paths = {(method, path) for path, methods in document["paths"].items() for method in methods}
    assert paths == {
        ("get", "/task"), ("post", "/ask"), ("post", "/evaluate"), ("get", "/candidates/{number}"), ("post", "/notes"),
        ("get", "/status"), ("get", "/leaderboard"),
    }  # fmt: skip
    assert all(one["description"] for methods in document["paths"].values() for one in methods.values())
    schemas = document["components"]["schemas"]
    for name in ("AskForm", "EvaluateForm", "NoteForm"):
        assert all(field.get("description") for field in schemas[name]["properties"].values()), name
    assert document["components"]["securitySchemes"]


def test_the_client_says_when_nobody_answers() -> None:
    from evolve.external.client import Unreachable

    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(Unreachable, match="does not answer"):
        call(Address(url=f"http://127.0.0.1:{port}", token="x", run="r", pid=0), "GET", "/status", timeout_seconds=5)
