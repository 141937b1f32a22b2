"""Has a long docstring, unicode names, keyword-only helpers and large tables.

family: honest
expect: ok

How a program is written is its own business.
"""

# ruff: noqa: PLC2401, N803

Ωμέγα = tuple(range(100_000))
_λ = {f"κλειδί {number}": number for number in Ωμέγα[:1000]}


def _größe(*, später: float = 0.0, 重み: int = 1, **übrige) -> float:
    """Weigh. """ + "Long text. " * 1000
    return später * 重み + len(übrige)


def cheat(honest, arguments):
    """Plan: ✓ 𝔭𝔩𝔞𝔫.

    "Quotes", 'more quotes', backslashes \\ and {braces} are only text.
    """
    assert _größe(später=2.0, 重み=3, δ=1) == 7.0
    assert _λ["κλειδί 5"] == 5
    return honest(**arguments)
