"""Tables of the steps on time: programs side by side, repeated comparisons, replays against modules."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean, median, stdev
from typing import Any

from drawing import Raw, Section, Target, geometric, interval, number, percent, table

ANCHORS = {"topk_gating": ("T=32768 E=128 k=8", 39.4), "moe_combine": ("T=4096 H=4096 k=8", 70.9)}
"""The shape on which vLLM's time was measured before, on an H200, and that time in us."""

LIBRARIES = ("vllm", "vllm_sum")
"""Columns that are vLLM's."""

LONG_US = 20.0
SPREADS = {True: 0.01, False: 0.05}
"""Largest spread of a repeated ratio that is aimed at, above `LONG_US` and below."""

REPLAY_SHARE, REPLAY_NODE_US = 0.03, 0.4
"""A replay is to be within this share of the module's own time, or this much for each graph node."""


def columns(raw: Raw) -> Section:
    """Every program on every shape."""
    parts, targets = [], []
    told: list[tuple[object, ...]]
    for name, found in raw.get("problems", {}).items():
        rows = found["rows"]
        zero = f"{found.get('baseline', 'decent')} seed"
        base = {row["shape"]: row for row in rows if row["program"] == zero}
        hidden = found.get("hidden", [])
        parts += [f"### {name}", shapes_table(found["shapes"], hidden, base)]
        told = []
        for shape in found["shapes"]:
            for row in (row for row in rows if row["shape"] == shape):
                floor = base.get(shape, {}).get("floor_us")
                if "us" not in row:
                    told.append((shape, row["program"], None, None, None, row.get("reason", "")))
                    continue
                over = row["us"] / floor if floor else None
                told.append(
                    (shape, row["program"], number(row["us"]), number(over), interval(row), row.get("fault", ""))
                )
        head = ("<shape", "<program", "µs", "× floor", "seed's time / its time (95 %)", "<remark")
        train = [shape for shape in found["shapes"] if shape not in hidden]
        parts += [table(head, told), means_table(rows, {"train": train, "hidden": hidden}, base)]
        if found["absent"]:
            parts.append(table(("<not here", "<why"), found["absent"].items()))
        targets += [library_target(name, rows, base)] if name in ANCHORS else []
        targets += [best_target(name, rows, base)]
    text = "\n\n".join(
        [
            "Median of one call as a CUDA graph, cold L2 (flushed by reading), fresh contents every call; "
            "each program in turns with the seed that is score 0 (A B B A), so that ratios of one row belong together. "
            "A ratio above 1 is quicker than that seed, whose own row is its A/A noise. Every program "
            "is captured anew four times, in other places of memory, and the interval holds the spread between those.",
            *parts,
        ]
    )
    return Section(title="Seeds, eager, compiled, libraries", text=text, targets=tuple(targets))


def shapes_table(shapes: Sequence[str], hidden: Sequence[str], base: Mapping[str, Mapping[str, Any]]) -> str:
    """Floor and clock of each shape."""
    rows = []
    for shape in shapes:
        row, split = base.get(shape), "hidden" if shape in hidden else "train"
        if row is None:
            rows.append((shape, split, *[None] * 8))
            continue
        rows.append(
            (
                shape, split, number(row["us"]), number(row["floor_us"]), number(row["roofline_us"]),
                number(row["empty_us"]), number(row["bandwidth_gb_s"]), row["registers"], row["sm_mhz"],
                row["memory_mhz"],
            )
        )  # fmt: skip
    head = (
        "<shape", "<split", "seed µs", "floor µs", "roofline µs", "empty node µs", "seed GB/s", "registers",
        "SM MHz", "memory MHz",
    )  # fmt: skip
    return table(head, rows)


def means_table(
    rows: Sequence[Mapping[str, Any]], splits: Mapping[str, Sequence[str]], base: Mapping[str, Mapping[str, Any]]
) -> str:
    """Geometric means over the shapes of a split that a program was timed on."""
    told = []
    for split, shapes in splits.items():
        by_program: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        for row in rows:
            if "us" in row and row["shape"] in base and row["shape"] in shapes:
                by_program[row["program"]].append(row)
        for program, own in by_program.items():
            over = geometric([row["us"] / base[row["shape"]]["floor_us"] for row in own])
            ratio = f"{geometric([row['ratio'] for row in own]):.3f}"
            told.append((program, split, f"{len(own)} of {len(shapes)}", number(over), ratio))
    return table(("<geometric mean", "<split", "shapes", "× floor", "seed's time / its time"), told)


def best_target(name: str, rows: Sequence[Mapping[str, Any]], base: Mapping[str, Mapping[str, Any]]) -> Target:
    """The seed that is score 0 beside the best of what users call that does the whole work, shape by shape."""
    ratios: dict[str, float] = {}
    for row in rows:
        if "us" in row and not row.get("fault") and not row["program"].endswith(" seed") and row["shape"] in base:
            ratios[row["shape"]] = max(row["ratio"], ratios.get(row["shape"], 0.0))
    text = f"{Path(name).name}: the seed of score 0 at or under the best column of each shape, geometric mean"
    if not ratios:
        return Target(text=text, figure="no column was timed", met=None)
    mean, worst = geometric(list(ratios.values())), max(ratios, key=lambda shape: ratios[shape])
    figure = f"× {mean:.3f} over {len(ratios)} shapes, most × {ratios[worst]:.3f} on {worst}"
    return Target(text=text, figure=figure, met=mean <= 1 + SPREADS[True])


def library_target(name: str, rows: Sequence[Mapping[str, Any]], base: Mapping[str, Mapping[str, Any]]) -> Target:
    """Our decent seed at or under vLLM's time on the anchor."""
    shape, known_us = ANCHORS.get(name, ("", 0.0))
    ours = base.get(shape)
    text = f"{name}: decent seed at or under vLLM on {shape} ({known_us} µs before)"
    if ours is None:
        return Target(text=text, figure="that shape was not measured", met=None)
    library = [row for row in rows if row["shape"] == shape and row["program"] in LIBRARIES and "us" in row]
    figure = f"{number(ours['us'])} µs"
    # A/A noise of this row is what an equal time may look like.
    met = ours["us"] <= known_us * (1 + SPREADS[True])
    if library:
        figure += f"; {library[0]['program']} here {number(library[0]['us'])} µs, ratio {interval(library[0])}"
        met = met and library[0]["ratio"] <= 1 + SPREADS[True]
    return Target(text=text, figure=figure, met=met)


def spread(raw: Raw) -> Section:
    """Repeated comparisons."""
    parts, targets = [], []
    for name, found in raw.get("problems", {}).items():
        rows, worst = [], {True: 0.0, False: 0.0}
        seen = {True: 0, False: 0}
        shapes = list(dict.fromkeys(row["shape"] for row in found["rows"]))
        for shape in shapes:
            own = [row for row in found["rows"] if row["shape"] == shape]
            naive = [row for row in own if row["program"] == "naive"]
            noise = [row["ratio"] for row in own if row["program"] == "decent"]
            if len(naive) < 2:
                rows.append((shape, *[None] * 7, len(naive)))
                continue
            ratios = [row["ratio"] for row in naive]
            us = median(min(row["us"], row["decent_us"]) for row in naive)
            middle = fmean(ratios)
            width, deviation = (max(ratios) - min(ratios)) / middle, stdev(ratios) / middle
            is_long = us > LONG_US
            worst[is_long] = max(worst[is_long], width)
            seen[is_long] += 1
            between = between_processes(naive)
            aim = SPREADS[is_long]
            rows.append(
                (
                    shape, number(us), f"{middle:.4f}", percent(width, 2), percent(deviation, 2), percent(between, 2),
                    percent(max(abs(ratio - 1) for ratio in noise), 2) if noise else None,
                    f"≤ {percent(aim, 0)}: {'met' if width <= aim else '**missed**'}", len(naive),
                )
            )  # fmt: skip
        head = (
            "<shape", "quicker one's µs", "mean ratio", "max − min", "standard deviation", "between processes",
            "A/A at most", "<aim (max − min)", "n",
        )  # fmt: skip
        parts += [f"### {name}", table(head, rows)]
        for is_long, where in ((True, f"above {LONG_US:.0f} µs"), (False, f"up to {LONG_US:.0f} µs")):
            targets.append(
                Target(
                    text=f"{name}: spread of a repeated ratio {where} at most {percent(SPREADS[is_long], 0)}",
                    figure=percent(worst[is_long], 2) if seen[is_long] else "no such shape",
                    met=worst[is_long] <= SPREADS[is_long] if seen[is_long] else None,
                )
            )
    lead = (
        "The naive seed against the decent one, measured again and again in two fresh processes with fresh contents. "
        "Spreads are shares of the mean ratio."
    )
    return Section(title="Run-to-run spread", text="\n\n".join([lead, *parts]), targets=tuple(targets))


def between_processes(rows: Sequence[Mapping[str, Any]]) -> float | None:
    """How far the means of two processes lie apart, as a share; None for one process."""
    by_process: dict[int, list[float]] = defaultdict(list)
    for row in rows:
        by_process[row["process"]].append(row["ratio"])
    means = [fmean(ratios) for ratios in by_process.values()]
    return (max(means) - min(means)) / fmean(means) if len(means) > 1 else None


def exported(raw: Raw) -> Section:
    """Replays against modules."""
    parts, targets = [], []
    for name, found in raw.get("problems", {}).items():
        rows, misses, worst = [], 0, 0.0
        for row in found["rows"]:
            off = row["replayed_us"] - row["exported_us"]
            allowed = max(REPLAY_SHARE * row["exported_us"], REPLAY_NODE_US * row["nodes"])
            within = abs(off) <= allowed
            misses += not within
            worst = max(worst, abs(off) / allowed)
            rows.append(
                (
                    row["shape"], row["program"], row["nodes"], f"{row['exported_us']:.2f}",
                    f"{row['replayed_us']:.2f}", f"{off:+.2f}", percent(off / row["exported_us"], 2), interval(row, 4),
                    f"≤ {allowed:.2f} µs: {'met' if within else '**missed**'}",
                    "the same" if row["same_bits"] else "**differ**",
                )
            )  # fmt: skip
        head = (
            "<shape", "<program", "nodes", "module µs", "replay µs", "difference µs", "difference",
            "replay / module (95 %)", "<aim", "<bits of the outputs",
        )  # fmt: skip
        parts += [f"### {name}", table(head, rows)]
        differ = sum(not row["same_bits"] for row in found["rows"])
        told = (
            f"{len(found['rows']) - misses} of {len(found['rows'])} within it, at most {worst:.2f} of what is allowed"
        )
        targets.append(
            Target(
                text=f"{name}: replay within max(3 %, 0.4 µs a node) of the module's own time",
                figure=f"{told}; outputs differ in {differ}",
                met=not misses and not differ if rows else None,
            )
        )
    lead = (
        "The exported module imported as a user would import it, its call captured in a CUDA graph, in turns with the "
        "replay of its recording in the same process, on the same buffers, with a cold cache."
    )
    return Section(
        title="A replay against the module's own time", text="\n\n".join([lead, *parts]), targets=tuple(targets)
    )
