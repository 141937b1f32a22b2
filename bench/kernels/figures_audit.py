"""Table of the step that audits finalists."""

from __future__ import annotations

from drawing import Raw, Section, Target, table


def audit(raw: Raw) -> Section:
    """Finalists, honest and not."""
    rows, held, tried, watched = [], 0, 0, 0
    for name, found in raw.get("problems", {}).items():
        for one in found["programs"]:
            rows.append(
                (
                    name, one["program"], one["outcome"], one["launches"], one["sanitizer"], one["reason"],
                    f"{one['seconds']:.1f}", f"{one['plain_seconds']:.1f}", "yes" if one["held"] else "**no**",
                )
            )  # fmt: skip
            tried += 1
            held += one["held"]
            watched += one["sanitizer"].startswith("memcheck") or "compute-sanitizer" in one["reason"]
    head = (
        "<problem", "<program", "<outcome", "<launches not needed", "<compute-sanitizer", "<reason", "s", "s on train",
        "<as it must be",
    )  # fmt: skip
    text = (
        "Programs judged on hidden shapes as finalists are: once more in a new process with fresh contents, without "
        "each of their launches, and under compute-sanitizer's memcheck. *s on train* is the same without an audit."
    )
    targets = (
        Target(text="audits that end as they must", figure=f"{held} of {tried}", met=held == tried if tried else None),
        Target(
            text="audits in which compute-sanitizer had its say",
            figure=f"{watched} of {tried}",
            met=watched == tried if tried else None,
        ),
    )
    return Section(title="Audit of finalists", text="\n\n".join([text, table(head, rows)]), targets=targets)
