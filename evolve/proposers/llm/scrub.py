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

_LOOKS_LIKE_A_KEY = re.compile(
    r"""
    (?<![A-Za-z0-9])(?:
        sk-(?=[\w-]*\d)[\w-]{16,}                             # OpenAI, Anthropic, OpenRouter, DeepSeek
      | gh[opusr]_[A-Za-z0-9]{20,} | github_pat_\w{20,}       # GitHub
      | glpat-[\w-]{16,}                                      # GitLab
      | (?:AKIA|ASIA)[0-9A-Z]{16}                             # Amazon
      | AIza[\w-]{30,}                                        # Google
      | hf_[A-Za-z0-9]{16,}                                   # Hugging Face
      | gsk_[A-Za-z0-9]{16,} | xai-[A-Za-z0-9]{16,}           # Groq, xAI
      | xox[abeprs]-[\w-]{10,}                                # Slack
      | eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,}                 # JSON web tokens
    )
    | -----BEGIN\ [A-Z ]*PRIVATE\ KEY-----.*?(?:-----END\ [A-Z ]*PRIVATE\ KEY-----|\Z)
    """,
    re.VERBOSE | re.DOTALL,
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
        text = _LOOKS_LIKE_A_KEY.sub(MARK, text)
        text = _BEARER.sub(rf"\g<1>{MARK}", text)
        return _IN_URL.sub(MARK, text)


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
