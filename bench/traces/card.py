"""Writes the data card of the project's own traces, with statistics against what was published of other models.

    python bench/traces/card.py [--data evaluators/workloads/data]

Reads what ``train.py`` stored there and writes ``README.md`` beside it. Needs numpy and this project, no torch.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluators.model import Split
from evaluators.workloads.own import FOLDER, HIDDEN_DOMAIN, MODELS, RouterScores, deal_own, read_own, read_scores
from evaluators.workloads.trace_files import RoutedSequence, Trace

GPUS = 8

REPEATED = 16
"""Tokens that make a stretch of text the same where all of them are routed alike in all layers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """A figure with the range in which DeepSeek-V2-Lite's lies (64 experts, top-6; scores published with ESFT)."""

    name: str
    low: float
    high: float


EXPERT_PEAK = Band(name="busiest expert / mean load of a domain", low=3.3, high=5.6)
GPU_PEAK = Band(name=f"busiest of {GPUS} GPUs / mean load of a domain", low=1.3, high=1.7)
OVERLAP = Band(name="experts that neighbouring tokens share, of 6", low=1.5, high=1.9)
CORRELATION = Band(name="correlation of the loads of two domains", low=0.04, high=0.23)


def loads_of(sequences: Sequence[RoutedSequence], experts: int) -> NDArray[np.float64]:
    """Tokens routed to each expert, ``(layers, experts)``."""
    ids = np.concatenate([sequence.ids for sequence in sequences]).astype(np.int64)
    layers = ids.shape[1]
    flat = (ids + (np.arange(layers) * experts)[None, :, None]).ravel()
    return np.bincount(flat, minlength=layers * experts).reshape(layers, experts).astype(np.float64)


def peaks(loads: NDArray[np.float64], groups: int) -> NDArray[np.float64]:
    """Largest over mean load of so many groups of neighbouring experts, by layer."""
    held = loads.reshape(len(loads), groups, -1).sum(axis=2)
    found: NDArray[np.float64] = held.max(axis=1) / held.mean(axis=1)
    return found


def overlap(sequences: Sequence[RoutedSequence], experts: int) -> NDArray[np.float64]:
    """Mean number of experts that a token shares with the one before in its sequence, by layer."""
    shared: NDArray[np.float64] = np.zeros(sequences[0].ids.shape[1])
    tokens = 0
    for sequence in sequences:
        seen = np.zeros((*sequence.ids.shape[:2], experts), dtype=np.bool_)
        np.put_along_axis(seen, sequence.ids.astype(np.int64), True, axis=2)
        shared += (seen[1:] & seen[:-1]).sum(axis=(0, 2))
        tokens += len(seen) - 1
    return shared / max(1, tokens)


def statistics(trace: Trace) -> dict[Band, tuple[float, float, float]]:
    """Lowest, median and highest of every banded figure; of domains (each the median of its layers) or their pairs."""
    loads = {domain: loads_of(sequences, trace.experts) for domain, sequences in trace.domains.items()}
    flat = [(own / own.sum(axis=1, keepdims=True)).ravel() for own in loads.values()]
    figures = {
        EXPERT_PEAK: [float(np.median(peaks(own, trace.experts))) for own in loads.values()],
        GPU_PEAK: [float(np.median(peaks(own, GPUS))) for own in loads.values()],
        OVERLAP: [float(np.mean(overlap(s, trace.experts))) for s in trace.domains.values()],
        CORRELATION: [float(np.corrcoef(a, b)[0, 1]) for a, b in combinations(flat, 2)],
    }
    return {band: (min(found), float(np.median(found)), max(found)) for band, found in figures.items()}


def dead_share(trace: Trace) -> float:
    """Share of experts that get less than a tenth of the mean load over all domains alike."""
    shares = [loads_of(sequences, trace.experts) for sequences in trace.domains.values()]
    mixed = sum(own / own.sum(axis=1, keepdims=True) for own in shares) / len(shares)
    return float((mixed < 0.1 / trace.experts).mean())


def card(folder: Path) -> str:
    """The whole text."""
    traces = {model: read_own(model, folder) for model in MODELS}
    facts = {model: json.loads((folder / f"{model}.json").read_text()) for model in MODELS}
    parts = [_head(folder, traces, facts[MODELS[0]])]
    parts += [
        _text(facts),
        *(_model(model, traces[model], read_scores(model, folder), facts[model]) for model in MODELS),
    ]
    return "\n".join(parts)


def repeated(trace: Trace) -> dict[str, float]:
    """Share of each domain's hidden tokens that lie in a stretch which train or validation have as well."""
    known: set[bytes] = set()
    for split in (Split.TRAIN, Split.VALIDATION):
        for sequences in deal_own(trace, split).values():
            known.update(stretch for sequence in sequences for stretch in _stretches(sequence))
    shares = {}
    for domain, sequences in deal_own(trace, Split.HIDDEN).items():
        marked = 0
        for sequence in sequences:
            seen = np.zeros(len(sequence.ids), dtype=np.bool_)
            for start, stretch in enumerate(_stretches(sequence)):
                if stretch in known:
                    seen[start : start + REPEATED] = True
            marked += int(seen.sum())
        shares[domain] = marked / sum(len(sequence.ids) for sequence in sequences)
    return shares


def _stretches(sequence: RoutedSequence) -> list[bytes]:
    """The routing of every stretch of `REPEATED` tokens, in order."""
    ids = np.ascontiguousarray(sequence.ids)
    return [ids[start : start + REPEATED].tobytes() for start in range(len(ids) - REPEATED + 1)]


def _head(folder: Path, traces: dict[str, Trace], facts: dict[str, Any]) -> str:
    one = next(iter(traces.values()))
    size = sum(path.stat().st_size for path in folder.glob("*.npz")) / 1e6
    shape = facts["model"]
    return f"""# The project's own routing traces

Routing of text that the models never saw, by two small mixture-of-experts language models: {one.layers} MoE layers
of {one.experts} routed experts, top-{one.top_k}, with a shared expert (width {shape["width"]}, experts
{shape["expert_width"]} wide, sigmoid router, gate weights that sum to 1). `loss_free` was balanced by biases
(arXiv:2408.15664); `unbalanced` lost its biases early in training and had no balancing from there on. Made by
`bench/traces/train.py`; this page by `bench/traces/card.py`. All files together are {size:.1f} MB. They hold
numbers of experts, gate weights and affinities, and no text.

| file | contents |
|---|---|
| `NAME.npz` | `ids_<domain>` uint8 (tokens, layers, top_k), rising; `len_<domain>` tokens of each sequence |
| `NAME_weights.npz` | the same of other sequences, with `w_<domain>` float16 gate weights, rounded to 3 % |
| `NAME_scores.npz` | affinities `scores_<domain>` float16 (steps, tokens, layers, experts); `step`; `layer`; `bias` |
| `NAME.json` | what was trained on what, and how it went |

A sequence is a stretch of one held-out document, its tokens in order. `tokens_<domain>` are places in the sequences
of `NAME_weights.npz` and then `NAME.npz`, put one behind the other, and `layer` which layers' affinities there are.
The domain `{HIDDEN_DOMAIN}` is for the hidden split alone.

**Limits.** Small models trained for minutes: their experts are specialised, yet less than those of a large model,
and the text is what a computing host holds, not what users ask. Prompts only; nothing was sampled from the models.
Sequences are dealt to the splits one by one: two parts of one document may lie in different splits, and documents
repeat each other (the models' tables say how much: {REPEATED} tokens and more that are routed alike in all layers).
"""


def _text(facts: dict[str, dict[str, Any]]) -> str:
    lines = [
        "## Text\n",
        "| model | domain | training text, MB | tokens, M | held-out text, MB | held-out documents |",
        "|---|---|---|---|---|---|",
    ]
    for model, own in facts.items():
        for domain, counts in own["text"].items():
            cells = (counts["train_bytes"], own["tokens"][domain]["train"], counts["held_bytes"])
            megabytes = " | ".join(f"{cell / 1e6:.2f}" for cell in cells)
            lines.append(f"| {model} | {domain} | {megabytes} | {counts['held_documents']} |")
    return "\n".join(lines) + "\n"


def _model(model: str, trace: Trace, scores: RouterScores, facts: dict[str, Any]) -> str:
    counts = {domain: (len(s), sum(len(one.ids) for one in s)) for domain, s in trace.domains.items()}
    tokens = sum(own for _, own in counts.values())
    weighted = sum(len(s.ids) for own in trace.domains.values() for s in own if s.weights is not None)
    lines = [
        f"## `{model}`\n",
        f"Trained on {facts['tokens_trained'] / 1e6:.0f} M tokens in {facts['steps']} steps ({facts['device']}, "
        f"{facts['tokens_per_second']:,} tokens/s, {facts['seconds']:.0f} s in all, torch {facts['torch']}).",
        f"Recorded: {tokens} tokens, {weighted} of them with gate weights; affinities at steps "
        f"{', '.join(map(str, scores.step.tolist()))}.",
        f"Experts with less than a tenth of the mean load over all domains: {100 * dead_share(trace):.1f} %.\n",
        "| domain | sequences | tokens | held-out loss, nats a token | hidden tokens also in train, validation |",
        "|---|---|---|---|---|",
    ]
    last = facts["held_out_loss_nats"][-1]
    again = repeated(trace)
    lines += [f"| {d} | {held} | {own} | {last[d]:.2f} | {again[d]:.1%} |" for d, (held, own) in counts.items()]
    lines += ["", "| figure | published | lowest | median | highest | median is |", "|---|---|---|---|---|---|"]
    for band, found in statistics(trace).items():
        figures = " | ".join(f"{value:.2f}" for value in found)
        lines.append(f"| {band.name} | {band.low} to {band.high} | {figures} | {_verdict(band, found[1])} |")
    lines += ["", "Over domains, each with the median of its layers (overlap: the mean), or over pairs of domains."]
    return "\n".join(lines) + "\n"


def _verdict(band: Band, median: float) -> str:
    """Where the median lies."""
    if band.low <= median <= band.high:
        return "inside"
    return "**below**" if median < band.low else "**above**"


def main() -> None:
    """Write the card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=FOLDER)
    folder = parser.parse_args().data
    (folder / "README.md").write_text(card(folder))
    print(f"wrote {folder / 'README.md'}")


if __name__ == "__main__":
    main()
