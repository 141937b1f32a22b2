"""No form of a secret passes, and ordinary texts do."""

from __future__ import annotations

import base64
import json
import time
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolve.proposers.llm.scrub import MARK, Scrubber

SECRET = 'tok/en+with"quotes&more=1'


@pytest.mark.parametrize(
    "text",
    [
        SECRET,
        json.dumps({"key": SECRET}),
        f"https://host/?key={quote(SECRET, safe='')}&x=1",
        f"https://host/{quote(SECRET)}",
        base64.b64encode(SECRET.encode()).decode(),
        base64.urlsafe_b64encode(f"user:{SECRET}".encode()).decode(),
    ],
)
def test_a_known_secret_goes_in_every_form(text: str) -> None:
    clean = Scrubber([SECRET]).clean(f"before {text} after")
    assert MARK in clean
    assert clean.startswith("before ")
    assert clean.endswith(" after")
    for piece in ("with", quote(SECRET, safe="")[4:20], base64.b64encode(SECRET.encode()).decode()[4:16]):
        assert piece not in clean


@given(
    before=st.binary(max_size=9), after=st.binary(max_size=9), secret=st.text("abcXYZ0123-_", min_size=16, max_size=40)
)
def test_base64_hides_a_secret_at_no_offset(before: bytes, after: bytes, secret: str) -> None:
    coded = base64.b64encode(before + secret.encode() + after).decode()
    clean = Scrubber([secret]).clean(coded)
    assert MARK in clean
    # What is left of the group at either end tells at most two characters of the secret.
    assert len(clean.replace(MARK, "")) <= len(coded) - len(secret)


@pytest.mark.parametrize(
    "key",
    [
        "sk-proj-abcdEFGH1234567890abcd",
        "sk-ant-api03-abcdefgh12345678",
        "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
        "github_pat_11ABCDEFG0abcdefghijkl",
        "AKIAIOSFODNN7EXAMPLE",
        "hf_abcdefghijklmnopqrstuvwx",
        "AIzaSyA1234567890abcdefghijklmnopqrstuv",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P",
        "-----BEGIN RSA PRIVATE KEY-----\nMIIabc\n-----END RSA PRIVATE KEY-----",
    ],
)
def test_what_looks_like_a_key_goes_though_nobody_knows_it(key: str) -> None:
    assert Scrubber([]).clean(f'KEY = "{key}"  # mine') == f'KEY = "{MARK}"  # mine'


def test_headers_and_addresses_lose_what_is_secret_in_them() -> None:
    clean = Scrubber([]).clean("Authorization: Bearer abc123def456, http://me:pw123@host/v1")
    assert clean == f"Authorization: Bearer {MARK}, http://{MARK}@host/v1"


@pytest.mark.parametrize(
    "text",
    [
        "the bearer authentication scheme",
        "task-scheduling-with-many-dashes-2-and-3",
        "risk-weighted = disk_usage[sk-1]",
        "x = {'a:b': 1}  # see http://host:8080/a@b",
        "key = None  # none",
        "for expert in range(num_experts): load[expert] += 1",
    ],
)
def test_ordinary_texts_stay(text: str) -> None:
    assert Scrubber(["none", "", "key"]).clean(text) == text


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("sk-sk-abcdefgh-12345678", MARK),
        ("task-x-sk-abcdefgh-12345678.txt", f"task-x-{MARK}.txt"),
        ("sk-abcdefghijklmnopqrst-hf_abcdefghijklmnopqrst", f"sk-abcdefghijklmnopqrst-{MARK}"),
        ("v1.sk-abcdefgh-12345678.eyJabcdefgh.eyJabcdefgh.abcdefgh", f"v1.{MARK}.{MARK}"),
        ("eyJabcdefgh.eyJabcdefgh.eyJabcdefgh.abcdefgh", f"{MARK}.abcdefgh"),
        ("a.eyJ.eyJabcdefgh-eyJ.eyJabcdefgh.abcdefgh-", f"a.eyJ.{MARK}"),
        ("eyJabcdefgh.eyJabcd.abcdefgh", "eyJabcdefgh.eyJabcd.abcdefgh"),
        ("AIzaSyA1234567890abcdefghijklmnopqrstuv-sk-1", MARK),
        ("AKIAIOSFODNN7EXAMPLE-AKIAIOSFODNN7EXAMPLE.", f"{MARK}-{MARK}."),
    ],
)
def test_keys_next_to_each_other_and_inside_of_words(text: str, clean: str) -> None:
    assert Scrubber([]).clean(text) == clean


@pytest.mark.parametrize(
    "piece",
    [
        "sk-",
        "-eyJ",
        "-eyJaaaaaaaa.",
        "sk-" + "a" * 400 + "-",
        "sk-aaaaaaaaaaaaaaaaaaa.",
        "github_pat_",
        "hf_",
        "bearer ",
        "://a:",
        "-----BEGIN ",
        "-----BEGIN PRIVATE KEY-----",
        ".",
        "-",
        " ",
        "a",
    ],
)
def test_hostile_text_takes_no_long_time(piece: str) -> None:
    text = piece * (200_000 // len(piece))
    scrubber = Scrubber([SECRET])
    begun = time.process_time()
    for begin in ("", "sk-", "eyJ", "bearer ", "-----BEGIN "):
        scrubber.clean(begin + text)
    assert time.process_time() - begun < 5, "less than a second each: a bound that only quadratic work can pass"


def test_more_secrets_can_be_included_and_cleaning_twice_changes_nothing() -> None:
    scrubber = Scrubber(["first-secret"])
    both = scrubber.including("second-secret")
    text = "first-secret second-secret sk-abcdefgh123456789"
    assert both.clean(text) == f"{MARK} {MARK} {MARK}"
    assert both.clean(both.clean(text)) == both.clean(text)
    assert both.including("first-secret") is both
