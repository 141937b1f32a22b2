"""Characters that word processors and web pages put in place of those that Python wants."""

from __future__ import annotations

import re

_SPACES = "\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
_INVISIBLE = "\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\u00ad"
_TYPOGRAPHIC = {
    "“": '"', "”": '"', "„": '"', "‟": '"', "‘": "'", "’": "'", "‚": "'", "‛": "'",
    "–": "-", "—": "-", "−": "-", "‐": "-", "‑": "-", "…": "...",
    "≤": "<=", "≥": ">=", "≠": "!=", "×": "*", "÷": "/",
    "（": "(", "）": ")", "，": ",", "：": ":", "［": "[", "］": "]",
}  # fmt: skip
_ENTITIES = {
    "lt": "<", "gt": ">", "amp": "&", "quot": '"', "apos": "'", "nbsp": " ",
    "#39": "'", "#039": "'", "#x27": "'", "#34": '"', "#x22": '"', "#60": "<", "#62": ">", "#38": "&",
}  # fmt: skip
_ENTITY = re.compile(r"&(lt|gt|amp|quot|apos|nbsp|#0?39|#x27|#34|#x22|#60|#62|#38);", re.IGNORECASE)
_TAG = re.compile(r"</?[A-Za-z_]{1,30}>")
# An escaped quote outside of strings opens none: else each of many would be looked at up to the line's end.
_STRING = r'"""[\s\S]*?"""' + r"|'''[\s\S]*?'''" + r'|"(?:\\.|[^"\\\n])*"' + r"|'(?:\\.|[^'\\\n])*'" + r'|\\["\'\\]'
_QUOTED = re.compile(f"#[^\n]*|{_STRING}")
_PIECES = re.compile(
    f"(?P<keep>#[^\n]*|{_STRING})"
    + "|[“„‟](?P<double>[^“”„‟\"\n]*)[”“\"]|[‘‚‛](?P<single>[^‘’‚‛'\n]*)[’‘']"
    + f"|(?P<other>[{re.escape(''.join(_TYPOGRAPHIC))}])"
)


def plain_spaces(text: str, *, known: str) -> str:
    """Write unusual spaces as plain ones and drop invisible characters, unless the known text has such."""
    table: dict[int, str | None] = {ord(space): " " for space in _SPACES if space not in known}
    table |= {ord(character): None for character in _INVISIBLE if character not in known}
    return text.translate(table)


def straighten(code: str) -> str:
    """Write typographic quotes, dashes and operators as Python spells them, outside of strings and comments."""

    def written(match: re.Match[str]) -> str:
        if match["keep"] is not None:
            return match[0]
        for group, quote in (("double", '"'), ("single", "'")):
            if match[group] is not None:
                return f"{quote}{match[group]}{quote}"
        return _TYPOGRAPHIC[match["other"]]

    return _PIECES.sub(written, code)


def unfancied(line: str) -> str:
    """Write a line plainly everywhere, strings included: only to compare lines."""
    plain = "".join(_TYPOGRAPHIC.get(character, character) for character in line) if not line.isascii() else line
    return plain_spaces(plain, known="").expandtabs(4)


def unescape_entities(text: str, *, known: str) -> str:
    """Write `&lt;` and its like as characters where the answer went through HTML; the text itself otherwise.

    It did where nothing but tags holds an unescaped angle bracket, or where an entity stands outside of
    strings and comments.
    """
    if not any(match[0] not in known for match in _ENTITY.finditer(text)):
        return text
    bare = _TAG.sub("", text)
    wholesale = "<" not in bare and ">" not in bare
    if not wholesale and not _ENTITY.search(_QUOTED.sub("", text)):
        return text
    return _ENTITY.sub(lambda match: _ENTITIES[match[1].lower()], text)
