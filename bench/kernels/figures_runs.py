"""Tables of the steps that judge many programs: honest evaluations, cheats, searches."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from drawing import Raw, Section, Target, interval, number, percent, table

HONEST = 200


def honest(raw: Raw) -> Section:
    """Honest evaluations."""
    rows, refused, total = [], [], 0
    for name, found in raw.get("problems", {}).items():
        total += found["evaluations"]
        refused += [
            (name, *(one[key] for key in ("program", "shape", "block", "outcome", "reason")))
            for one in found["refused"]
        ]
        seconds, gpu = found["seconds"], found["gpu_seconds"]
        told = (f"{median(seconds):.2f}", f"{median(gpu):.2f}", f"{max(gpu):.2f}") if seconds else ("–",) * 3
        rows.append((name, len(found["programs"]), found["evaluations"], len(found["refused"]), *told))
    head = (
        "<problem", "programs", "evaluations", "refused", "median s, recording included", "median s on the GPU worker",
        "longest s there",
    )  # fmt: skip
    parts = [
        "Both seeds and these with other values of their marked constants, each on one shape of a block that nobody "
        "has seen, with its odd sizes; recorded beside, measured by one judge.",
        table(head, rows),
    ]
    if refused:
        parts.append(table(("<problem", "<program", "<shape", "block", "<outcome", "<reason"), refused))
    target = Target(
        text=f"0 of {HONEST} honest evaluations refused",
        figure=f"{len(refused)} of {total}",
        met=(not refused and total >= HONEST) if total else None,
    )
    return Section(title="Honest evaluations", text="\n\n".join(parts), targets=(target,))


def cheats(raw: Raw) -> Section:
    """What an audit found on the GPU."""
    parts, targets = [], []
    for name, found in raw.get("problems", {}).items():
        again = {(one["part"], one["name"]): one for one in found["again"]}
        final = [again.get((one["part"], one["name"]), one) for one in found["findings"]]
        families: dict[str, Counter[str]] = defaultdict(Counter)
        for one in final:
            family = one["name"].partition(": ")[0] if one["part"] == "cheats" else one["part"]
            families[family][one["verdict"]] += 1
        rows = [
            (family, counts["held"] + counts["missed"], counts["held"], counts["missed"], counts["skipped"])
            for family, counts in families.items()
        ]
        total = Counter(one["verdict"] for one in final)
        untried = max(0, found.get("findings_attempts", 0) - len(found["findings"]))
        rows.append(("all", total["held"] + total["missed"], total["held"], total["missed"], total["skipped"]))
        parts += [f"### {name}", table(("<family or part", "tried", "held", "missed", "skipped"), rows)]
        missed = [
            (one["part"], one["name"], one["found"], one["expected"]) for one in final if one["verdict"] == "missed"
        ]
        if missed:
            parts.append(table(("<part", "<missed", "<what came", "<what had to come"), missed))
        first = sum(one["verdict"] == "missed" for one in found["findings"])
        parts.append(
            f"{untried} attempts were not made for want of time; {first} were missed at first, beside other programs "
            f"on the GPU, and {len(found['again'])} tried again alone."
        )
        tried = [one for one in final if one["part"] == "cheats"]
        caught = Counter(one["verdict"] for one in tried)
        targets.append(
            Target(
                text=f"{name}: all cheats caught on the GPU",
                figure=f"{caught['held']} caught, {caught['missed']} missed, {caught['skipped']} not for this tier or "
                f"problem, {untried} untried",
                met=(not caught["missed"] and not untried and caught["held"] > 0) if tried else None,
            )
        )
    lead = (
        "The audit's parts without the static screen, which is no boundary. Held: a cheat was refused for its reason "
        "or gained nothing, an honest module passed, a mistake was refused. A shape may take "
        f"{raw.get('gpu_seconds', 0):.0f} s."
    )
    return Section(title="Cheats", text="\n\n".join([lead, *parts]), targets=tuple(targets))


def search(raw: Raw) -> Section:
    """Offline runs."""
    parts, targets, rows = [], [], []
    for name, found in raw.get("problems", {}).items():
        outcomes = found.get("counts", {}).get("search", {})
        rows.append(
            (
                name, number(found.get("elapsed_seconds"), 4), found.get("judged"),
                number(found.get("judged_per_minute")), ", ".join(f"{k} {n}" for k, n in sorted(outcomes.items())),
                percent(found.get("busy_share")), percent(found.get("measuring_share")),
                found.get("status", "no archive"),
            )
        )  # fmt: skip
        best = found.get("winner")
        target = f"{name}: an improvement over the decent seed on hidden shapes, its interval above 1"
        if not best or "hidden" not in best:
            targets.append(Target(text=target, figure="no final was held", met=None))
        else:
            gain = best["hidden"]["speedup"]
            own = " (it is a seed)" if best["is_seed"] else ""
            is_better = not best["is_seed"] and gain["low"] > 1
            targets.append(Target(text=target, figure=f"× {interval(gain)}{own}", met=is_better))
        if best:
            parts += [f"### {name}", *winner_parts(best)]
        if found.get("final"):
            parts.append(final_table(found["final"]))
    head = (
        "<problem", "search s", "judged", "a minute", "<outcomes", "GPU busy", "GPU worker measuring", "<run",
    )  # fmt: skip
    lead = (
        "`evolve run` with the built-in operators and the tuner, no model, one GPU. *GPU busy* is nvidia-smi's "
        "utilization.gpu (share of time in which any kernel ran), mean of readings every 200 ms from the first verdict "
        "to the last; *GPU worker measuring* is the sum of the evaluations' seconds over the search time."
    )
    text = "\n\n".join([lead, table(head, rows), *parts])
    return Section(title="Offline search", text=text, targets=tuple(targets))


def final_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """All contenders of a final."""
    told = [
        (
            row["number"], row["who"], row["outcome"],
            f"× {interval(row)}" if "mean" in row else row["reason"],
        )
        for row in rows
    ]  # fmt: skip
    return table(("candidate", "<written by", "<final", "<speed-up over the decent seed, hidden shapes (95 %)"), told)


def winner_parts(best: Mapping[str, Any]) -> list[str]:
    """The winner on hidden and train shapes."""
    who = f"Candidate {best['number']} ({best['proposer']}, {best['operator']}), named by {best['named_by']} scores."
    parts = [who]
    for split in ("hidden", "train"):
        if split not in best:
            continue
        found = best[split]
        parts.append(
            f"On {split} shapes: speed-up over the decent seed × {interval(found['speedup'])}, score "
            f"{interval(found['score'], 2)} of 100 (95 %)."
        )
        rows = [
            (
                row["shape"], number(row["us"]), number(row["over_floor"]), number(row["decent_us"]), interval(row),
                number(row["registers"]), number(row["launches"]),
            )
            for row in found["shapes"]
        ]  # fmt: skip
        head = ("<shape", "µs", "× floor", "decent µs", "speed-up (95 %)", "registers", "launches")
        parts.append(table(head, rows))
    return parts
