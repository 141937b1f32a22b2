"""Training against the clock, and what is recorded on the way."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from bpe import END_OF_TEXT
from model import Model, Shape, choose_grouped
from numpy.typing import NDArray
from plan import Plan
from record import packed, record, save, windows
from torch import Tensor

Documents = Mapping[str, list[NDArray[np.uint16]]]
SCORED_AT = (0.02, 0.2, 1.0)
"""Shares of the training time after which all affinities of some tokens are recorded."""
FEWEST_RECORDED = 4
"""A domain with fewer stretches of held-out text is left out of the recording."""
_MIX_POWER = 0.3
"""Domains are trained on in proportion to their tokens to this power: small ones are met more often than large ones."""


class Run:
    """One model from its first step to its stored routing.

    Args:
        plan: sizes.
        vocabulary: tokens.
        balanced: whether the biases move to the end, or are dropped after the first `Plan.release` of the training.
        device: ``cuda`` or ``cpu``.
        seed: of weights, batches and of which stretches are recorded.
        say: takes lines of progress.
    """

    def __init__(
        self, *, plan: Plan, vocabulary: int, balanced: bool, device: str, seed: int, say: Callable[[str], None]
    ) -> None:
        self.plan = plan
        self.balanced = balanced
        self.say = say
        self.seed = seed
        self.device = torch.device(device)
        torch.manual_seed(seed)
        torch.set_float32_matmul_precision("high")
        if self.device.type == "cpu":
            torch.set_num_threads(1)  # a toy gains nothing from more
        self.shape = Shape(vocabulary=vocabulary, **dict(plan.model))
        self.model = Model(self.shape, choose_grouped(self.device)).to(self.device)
        self.step = 0
        self._peak = torch.zeros(())
        self._scored: list[tuple[int, dict[str, NDArray[np.float16]], NDArray[np.float32]]] = []
        total = sum(p.numel() for p in self.model.parameters())
        say(f"model: {total / 1e6:.1f} M parameters, {self.model.parameters_active() / 1e6:.1f} M active; {self.shape}")

    def train(self, train: Documents, held: Documents, *, until: float) -> dict[str, Any]:
        """Train until a moment of the monotonic clock; returns what happened."""
        plan = self.plan
        streams = {domain: _stream(documents, self.device) for domain, documents in train.items()}
        scored = {domain: self._to_score(documents) for domain, documents in held.items()}
        optimizer = self._optimizer()
        rng = np.random.default_rng(self.seed)
        began = time.monotonic()
        losses: list[dict[str, float]] = []
        due = list(SCORED_AT[:-1])
        while self.step < plan.most_steps:
            now = time.monotonic()
            if now >= until and self.step >= plan.least_steps:
                break
            progress = max((now - began) / max(1e-9, until - began), self.step / plan.most_steps)
            loss = self._one_step(streams, optimizer, progress, rng)
            self.step += 1
            if self.step % plan.log_every == 0 or self.step == 1:
                self._tell(float(loss), began)
            if due and progress >= due[0]:
                del due[0]
                losses.append(self._measure(held, scored))
        seconds = time.monotonic() - began
        losses.append(self._measure(held, scored))
        trained = self.step * plan.rows * self.shape.context
        return {
            "model": asdict(self.shape),
            "steps": self.step,
            "tokens_trained": trained,
            "tokens_per_second": round(trained / seconds),
            "held_out_loss_nats": losses,
            "device": torch.cuda.get_device_name() if self.device.type == "cuda" else "cpu",
            "torch": torch.__version__,
        }

    def save(self, folder: Path, name: str, held: Documents, *, most_bytes: int) -> dict[str, int]:
        """Record held-out text and store it with the affinities; returns the sizes of the files."""
        self.model.eval()
        routings = {
            domain: record(self.model, sequences, self.device)
            for domain, documents in held.items()
            if len(sequences := self._to_record(documents)) >= FEWEST_RECORDED
        }
        if len(routings) < 2:
            raise SystemExit(f"too little held-out text to record: only {sorted(routings)}; name more folders")
        arrays: dict[str, NDArray[np.generic]] = {
            "step": np.array([step for step, _, _ in self._scored], dtype=np.int32),
            "layer": self._scored_layers(),
            "bias": np.stack([bias for _, _, bias in self._scored]),
        }
        for domain in routings:
            arrays[f"scores_{domain}"] = np.stack([scores[domain] for _, scores, _ in self._scored])
            arrays[f"tokens_{domain}"] = self._scored_tokens(self._to_score(held[domain]))
        content = packed(arrays)
        file = f"{name}_scores.npz"
        (folder / file).write_bytes(content)
        return {file: len(content), **save(folder, name, routings, most_bytes - len(content))}

    def _one_step(
        self, streams: Mapping[str, Tensor], optimizer: torch.optim.Optimizer, progress: float, rng: np.random.Generator
    ) -> Tensor:
        """Train on one batch; returns its loss without waiting for it."""
        plan = self.plan
        warm = min(1.0, (self.step + 1) / plan.warm_steps)
        rate = plan.learning_rate * warm * (0.1 + 0.45 * (1 + math.cos(math.pi * min(1.0, progress))))
        for group in optimizer.param_groups:
            group["lr"] = rate
        batch = _batch(streams, plan.rows, self.shape.context + 1, rng)
        with torch.autocast(device_type=self.device.type, dtype=torch.bfloat16, enabled=self.device.type == "cuda"):
            loss = self.model.loss(batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        self._peak = torch.stack([experts.load.max() / experts.load.mean() for experts in self.model.experts]).mean()
        for experts in self.model.experts:
            if self.balanced or progress < plan.release:
                experts.rebalance()
            else:
                experts.bias.zero_()
            experts.load.zero_()
        return loss.detach()

    def _optimizer(self) -> torch.optim.Optimizer:
        matrices = [p for p in self.model.parameters() if p.dim() > 1]
        vectors = [p for p in self.model.parameters() if p.dim() <= 1]
        return torch.optim.AdamW(
            [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}],
            lr=self.plan.learning_rate,
            betas=(0.9, 0.95),
            fused=self.device.type == "cuda",
        )

    def _tell(self, loss: float, began: float) -> None:
        """One line of progress; stops where nothing can come of it any more."""
        if not math.isfinite(loss):
            raise SystemExit(f"the loss is {loss} at step {self.step}; train again with another --seed")
        speed = self.step * self.plan.rows * self.shape.context / (time.monotonic() - began)
        self.say(f"step {self.step}: loss {loss:.3f}, {speed:,.0f} tokens/s, busiest/mean {float(self._peak):.2f}")

    @torch.no_grad()
    def _measure(self, held: Documents, scored: Mapping[str, list[NDArray[np.uint16]]]) -> dict[str, float]:
        """Loss on held-out text by domain; records the affinities of some of it."""
        self.model.eval()
        losses: dict[str, float] = {"step": self.step}
        for domain, documents in held.items():
            stream = _stream(documents, self.device)
            width = min(self.shape.context + 1, len(stream))
            rows = stream[: len(stream) // width * width][: self.plan.rows * width].view(-1, width)
            with torch.autocast(device_type=self.device.type, dtype=torch.bfloat16, enabled=self.device.type == "cuda"):
                losses[domain] = round(float(self.model.loss(rows.long())), 4)
        layers = self._scored_layers()
        found = {
            domain: record(self.model, sequences, self.device).scores[self._scored_tokens(sequences)][:, layers]
            for domain, sequences in scored.items()
            if sequences
        }
        biases = torch.stack([experts.bias for experts in self.model.experts]).cpu().numpy().astype(np.float32)
        self._scored.append((self.step, found, biases[layers]))
        for experts in self.model.experts:
            experts.load.zero_()
        self.model.train()
        self.say("held out: " + ", ".join(f"{name} {value}" for name, value in losses.items()))
        return losses

    def _to_record(self, documents: list[NDArray[np.uint16]]) -> list[NDArray[np.uint16]]:
        """The stretches of one domain that are recorded, always the same."""
        plan = self.plan
        return windows(
            documents,
            tokens=plan.record_tokens,
            shortest=plan.shortest,
            longest=min(plan.longest, self.shape.context),
            rng=np.random.default_rng(self.seed),
        )

    def _to_score(self, documents: list[NDArray[np.uint16]]) -> list[NDArray[np.uint16]]:
        """The first recorded stretches of a domain that have the tokens whose affinities are kept."""
        stretches = self._to_record(documents)
        ends = np.cumsum([len(stretch) for stretch in stretches])
        return stretches[: int(np.searchsorted(ends, self.plan.score_every * self.plan.score_tokens)) + 1]

    def _scored_tokens(self, stretches: Sequence[NDArray[np.uint16]]) -> NDArray[np.int32]:
        """Which of their tokens those are."""
        tokens = np.arange(0, sum(map(len, stretches)), self.plan.score_every, dtype=np.int32)
        return tokens[: self.plan.score_tokens]

    def _scored_layers(self) -> NDArray[np.int32]:
        """Which layers' affinities are kept."""
        count = min(self.plan.score_layers, self.shape.moe_layers)
        return np.linspace(0, self.shape.moe_layers - 1, count).round().astype(np.int32)


def _stream(documents: list[NDArray[np.uint16]], device: torch.device) -> Tensor:
    """All tokens of a domain behind one another, int32, with a mark between documents."""
    mark = np.array([END_OF_TEXT], dtype=np.uint16)
    joined = np.concatenate([part for document in documents for part in (document, mark)])
    return torch.from_numpy(joined.astype(np.int32)).to(device)


def _batch(streams: Mapping[str, Tensor], rows: int, width: int, rng: np.random.Generator) -> Tensor:
    """Random stretches of random domains, int64 ``(rows, width)``."""
    usable = [stream for stream in streams.values() if len(stream) > width]
    share = np.array([len(stream) for stream in usable], dtype=np.float64) ** _MIX_POWER
    chosen = rng.choice(len(usable), size=rows, p=share / share.sum())
    starts = [int(rng.integers(len(usable[number]) - width)) for number in chosen]
    return torch.stack(
        [usable[number][start : start + width] for number, start in zip(chosen, starts, strict=True)]
    ).long()
