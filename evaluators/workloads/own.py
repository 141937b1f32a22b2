"""The traces that ship with the project: routing of small models that ``bench/traces`` trains, in ``data``.

Each model has, in the packed layout of `trace_files`, ``NAME.npz`` (experts alone) and ``NAME_weights.npz`` (other
sequences, fewer, with gate weights), and ``NAME_scores.npz`` (see `RouterScores`). ``data/README.md`` describes them.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evaluators.model import Split
from evaluators.workloads.generator import derive_seed, random_generator
from evaluators.workloads.trace_files import RoutedSequence, Trace, TraceError, load_arrays, read_npz
from evaluators.workloads.traces import split_sequences

FOLDER = Path(__file__).parent / "data"

MODELS = ("loss_free", "unbalanced")
"""One trained with loss-free balancing (arXiv:2408.15664), one without any."""

HIDDEN_DOMAIN = "othercode"
"""A domain that only the hidden split meets."""

# Raise with every change of how sequences are dealt: scores of different versions never compare.
OWN_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterScores:
    """All affinities of some layers' routers at several steps of training, for some tokens of each domain.

    Args:
        step: int32 ``(steps,)``, the training step, rising; the last is where the routing was recorded.
        layer: int32 ``(layers,)``, which of the model's MoE layers these are.
        bias: float32 ``(steps, layers, experts)``, added to the affinities for choosing experts, not for gate weights.
        affinity: by domain, float16 ``(steps, tokens, layers, experts)`` in (0, 1), without bias.
        tokens: by domain, int32 ``(tokens,)``, rising: where they are in the domain's sequences of `read_own`, put one
            behind the other.
    """

    step: NDArray[np.int32]
    layer: NDArray[np.int32]
    bias: NDArray[np.float32]
    affinity: Mapping[str, NDArray[np.float16]]
    tokens: Mapping[str, NDArray[np.int32]]


def read_own(model: str, folder: Path = FOLDER) -> Trace:
    """Read the routing of one of `MODELS`, the sequences with gate weights first.

    Raises:
        TraceError: it is not there, or cannot be used.
    """
    paths = [folder / f"{model}_weights.npz", folder / f"{model}.npz"]
    missing = [path.name for path in (*paths, folder / f"{model}_scores.npz") if not path.exists()]
    if missing:
        raise TraceError(
            f"{folder}: the project's own traces are not there ({', '.join(missing)} missing); use 'generated' or the "
            "path of a trace, or make them with bench/traces/train.py"
        )
    experts = read_scores(model, folder).bias.shape[2]
    weighted, plain = (read_npz(path, experts=experts) for path in paths)
    if (weighted.layers, weighted.top_k, sorted(weighted.domains)) != (
        plain.layers,
        plain.top_k,
        sorted(plain.domains),
    ):
        raise TraceError(f"{folder}: {paths[0].name} and {paths[1].name} are of different models; make both again")
    return dataclasses.replace(
        plain,
        digest=hashlib.sha256(f"{weighted.digest}{plain.digest}".encode()).hexdigest(),
        domains={domain: (*weighted.domains[domain], *plain.domains[domain]) for domain in plain.domains},
    )


def read_scores(model: str, folder: Path = FOLDER) -> RouterScores:
    """Read the affinities of one of `MODELS`.

    Raises:
        TraceError: they cannot be used.
    """
    path = folder / f"{model}_scores.npz"
    arrays = load_arrays(path)
    affinity = {name.partition("_")[2]: array for name, array in arrays.items() if name.startswith("scores_")}
    tokens = {name.partition("_")[2]: array for name, array in arrays.items() if name.startswith("tokens_")}
    step, layer, bias = (arrays.get(name) for name in ("step", "layer", "bias"))
    if step is None or layer is None or bias is None or not affinity or tokens.keys() != affinity.keys():
        raise TraceError(
            f"{path}: needs arrays step, layer, bias, scores_<domain> and tokens_<domain>, has {sorted(arrays)}; "
            "make it again"
        )
    for domain, array in affinity.items():
        expected = (len(step), len(tokens[domain]), len(layer), bias.shape[-1])
        if array.shape != expected or bias.shape != (len(step), len(layer), bias.shape[-1]):
            raise TraceError(
                f"{path}: domain {domain!r} has affinities {array.shape} for biases {bias.shape} at {len(step)} steps "
                f"of {len(layer)} layers and {len(tokens[domain])} tokens; make it again"
            )
    return RouterScores(
        step=step.astype(np.int32),
        layer=layer.astype(np.int32),
        bias=bias.astype(np.float32),
        affinity={domain: array.astype(np.float16) for domain, array in affinity.items()},
        tokens={domain: array.astype(np.int32) for domain, array in tokens.items()},
    )


def deal_own(trace: Trace, split: Split) -> dict[str, tuple[RoutedSequence, ...]]:
    """Sequences of one split by domain; `HIDDEN_DOMAIN` belongs to hidden as a whole."""
    held = split_sequences(trace, split)
    if HIDDEN_DOMAIN in trace.domains:
        held[HIDDEN_DOMAIN] = trace.domains[HIDDEN_DOMAIN] if split is Split.HIDDEN else ()
    return {domain: sequences for domain, sequences in held.items() if sequences}


class OwnRoutes:
    """Routes of the project's own traces; see `evaluators.workloads.routes.RouteSource`.

    Args:
        traces: what `read_own` gave of each model; the seed picks one of them.
    """

    def __init__(self, traces: Mapping[str, Trace]) -> None:
        self._traces = dict(traces)

    @classmethod
    def open(cls, folder: Path = FOLDER) -> OwnRoutes:
        """Read all `MODELS`.

        Raises:
            TraceError: one is not there, or cannot be used.
        """
        return cls({model: read_own(model, folder) for model in MODELS})

    @property
    def name(self) -> str:
        """``own``, with the model where there is one alone."""
        return "own" if len(self._traces) > 1 else f"own-{next(iter(self._traces))}"

    @cached_property
    def digest(self) -> str:
        """Digest of the files and of the rules by which sequences are dealt."""
        facts = [f"{OWN_VERSION}", *(f"{model} {trace.digest}" for model, trace in self._traces.items())]
        return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16]

    @cached_property
    def variants(self) -> tuple[OwnRoutes, ...]:
        """A source for each model."""
        return tuple(OwnRoutes({model: trace}) for model, trace in self._traces.items())

    def sequences(self, split: Split, seed: bytes, shape: object = None) -> Trace:  # noqa: ARG002 (recorded)
        """One model's sequences of the split in an order of the seed's."""
        rng = random_generator(derive_seed(seed, f"own/{split.value}"))
        trace = list(self._traces.values())[int(rng.integers(len(self._traces)))]
        held = {
            domain: tuple(sequences[index] for index in rng.permutation(len(sequences)))
            for domain, sequences in deal_own(trace, split).items()
        }
        return dataclasses.replace(trace, domains=held)
