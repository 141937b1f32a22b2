"""Takes secrets out of texts before they are sent, stored or shown."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

MARK = "[secret]"

SHORTEST = 6
"""Characters below which a known secret is left alone: placeholders such as ``none`` are words of ordinary texts."""

_TELLING_BASE64 = 8

# Texts of servers and models may be long and hostile, so that no pattern may read the rest of a text again from each
# of its places. Every run of letters is matched once, and what needs a look at its end is decided in Python.
_RUN = re.compile(r"[\w.-]{14,}+")
_KEY = re.compile(
    r"""
    (?<![A-Za-z0-9])(?:
        (?P<whole>
            gh[opusr]_[A-Za-z0-9]{20,} | github_pat_\w{20,}   # GitHub
          | glpat-[\w-]{16,}                                  # GitLab
          | (?:AKIA|ASIA)[0-9A-Z]{16}                         # Amazon
          | AIza[\w-]{30,}                                    # Google
          | hf_[A-Za-z0-9]{16,}                               # Hugging Face
          | gsk_[A-Za-z0-9]{16,} | xai-[A-Za-z0-9]{16,}       # Groq, xAI
          | xox[abeprs]-[\w-]{10,}                            # Slack
        )
      | (?P<dashed>sk-)                                       # OpenAI, Anthropic, OpenRouter, DeepSeek
      | (?P<web>eyJ)                                          # JSON web tokens, in three parts
    )
    """,
    re.VERBOSE,
)
_DASHED_LETTERS = 16
_WEB_LETTERS = 8
_FEWEST_LETTERS = len("eyJ") + _WEB_LETTERS  # no key has a shorter part between two dots
_PRIVATE = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
    re.DOTALL,
)
_BEARER = re.compile(r"\b(bearer\s+)(?=\S*\d)[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE)
_IN_URL = re.compile(r"(?<=://)[^\s/@:]*:[^\s/@]+(?=@)")


class Scrubber:
    """Replaces known secrets, in the forms they travel in, and what looks like a key, by one fixed mark."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets = frozenset(secret for secret in secrets if len(secret) >= SHORTEST)
        forms = {form for secret in self._secrets for form in _forms(secret)}
        # The longest goes first: a quoted form may contain the plain one.
        ordered = sorted(forms, key=lambda form: (-len(form), form))
        self._known = re.compile("|".join(map(re.escape, ordered))) if ordered else None

    def including(self, *secrets: str) -> Scrubber:
        """One that knows these secrets too."""
        if all(secret in self._secrets or len(secret) < SHORTEST for secret in secrets):
            return self
        return Scrubber({*self._secrets, *secrets})

    def clean(self, text: str) -> str:
        """The text without secrets."""
        if self._known is not None:
            text = self._known.sub(MARK, text)
        text = _PRIVATE.sub(MARK, text)
        text = _RUN.sub(_without_keys, text)
        text = _BEARER.sub(rf"\g<1>{MARK}", text)
        return _IN_URL.sub(MARK, text)


def _without_keys(run: re.Match[str]) -> str:
    parts, at, clean = run[0].split("."), 0, []
    while at < len(parts):
        if len(parts[at]) < _FEWEST_LETTERS:
            clean.append(parts[at])
            at += 1
            continue
        text, used = _without_keys_in_part(parts[at], parts[at + 1 : at + 3])
        clean.append(text)
        at += used
    return ".".join(clean)


def _without_keys_in_part(part: str, following: list[str]) -> tuple[str, int]:
    """A part between two dots without keys, and how many parts that replaces: a web token takes all of its three."""
    signed = (
        len(following) == 2
        and following[0].startswith("eyJ")
        and len(following[0]) >= _FEWEST_LETTERS
        and len(following[1]) >= _WEB_LETTERS
    )
    last_digit = _last_digit(part)
    clean: list[str] = []
    at = 0
    for found in _KEY.finditer(part):
        if found["whole"] is not None:
            clean += [part[at : found.start()], MARK]
            at = found.end()
            continue
        letters = len(part) - found.end()
        if found["dashed"] is not None:
            used = 1 if letters >= _DASHED_LETTERS and last_digit >= found.end() else 0
        else:
            used = 3 if letters >= _WEB_LETTERS and signed else 0
        if used:
            return "".join([*clean, part[at : found.start()], MARK]), used
    return "".join([*clean, part[at:]]), 1


def _last_digit(part: str) -> int:
    """Where the last digit stands; -1 if there is none."""
    return next((at for at in range(len(part) - 1, -1, -1) if part[at].isdecimal()), -1)


def _forms(secret: str) -> Iterable[str]:
    yield secret
    yield json.dumps(secret)[1:-1]
    yield from (quote(secret), quote(secret, safe=""), quote_plus(secret))
    data = secret.encode()
    for before in range(3):
        # The secret may begin at any place of a base64 group; letters that its neighbours decide are left out.
        first, last = -(-before * 8 // 6), (before + len(data)) * 8 // 6
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            form = encode(bytes(before) + data).decode()[first:last]
            if len(form) >= _TELLING_BASE64:
                yield form
