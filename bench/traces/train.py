"""Trains a small mixture-of-experts model on this machine's text and records how it routes text that it never saw.

    python bench/traces/train.py --minutes 9 --balancing loss_free --out DIR      one GPU; all in all so many minutes
    python bench/traces/train.py --minutes 9 --balancing unbalanced --out DIR
    python bench/traces/train.py --check --out DIR                                the same in half a minute, 20 steps
    python bench/traces/train.py --tiny --device cpu --out DIR                    a toy, to try the script

DIR gets ``BALANCING.npz`` (experts of every token), ``BALANCING_weights.npz`` (fewer tokens, with gate weights),
``BALANCING_scores.npz`` (all affinities of some tokens and layers at several steps), ``BALANCING.json`` (what was done,
losses). ``card.py`` makes the data card of them.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from bpe import Tokenizer, learn
from numpy.typing import NDArray
from plan import CHECK, FULL, TINY, Plan
from texts import Corpus, gather

BALANCINGS = ("loss_free", "unbalanced")
Documents = dict[str, list[NDArray[np.uint16]]]


def main(arguments: list[str] | None = None) -> None:
    """Run as the command line says."""
    options = _options(arguments)
    plan = TINY if options.tiny else CHECK if options.check else FULL
    if options.release is not None:
        plan = replace(plan, release=options.release)
    options.out.mkdir(parents=True, exist_ok=True)  # now, not when everything is done and would be lost
    began = time.monotonic()
    ends = began + 60 * options.minutes
    workers = min(16, os.cpu_count() or 1)
    corpus = gather(
        train_bytes=plan.train_bytes,
        held_bytes=plan.held_bytes,
        seconds=min(plan.gather_seconds, 15 * options.minutes),
        workers=workers,
        folders=options.root,
    )
    if len(corpus.train) < 2:
        raise SystemExit(f"too little text on this machine: {corpus.describe()}; name more folders with --root")
    for domain, counts in corpus.describe().items():
        _say(began, f"text {domain}: {counts}")
    tokenizer = _tokenizer(corpus, plan)
    _say(began, f"tokenizer: {tokenizer.vocabulary} tokens")
    train, held = encode(tokenizer, corpus, workers)
    for domain, documents in train.items():
        _say(began, f"tokens {domain}: {_tokens(documents)} to train, {_tokens(held[domain])} held out")
    # Only now, because a process that has begun with a GPU cannot be forked.
    from training import Run  # noqa: PLC0415

    run = Run(
        plan=plan,
        vocabulary=tokenizer.vocabulary,
        balanced=options.balancing == "loss_free",
        device=options.device,
        seed=options.seed,
        say=lambda text: _say(began, text),
    )
    facts = run.train(train, held, until=ends - min(plan.reserve_seconds, 15 * options.minutes))
    sizes = run.save(options.out, options.balancing, held, most_bytes=int(options.megabytes * 1e6))
    facts |= {
        "balancing": options.balancing,
        "plan": asdict(plan),
        "text": corpus.describe(),
        "tokens": {d: {"train": _tokens(train[d]), "held": _tokens(held[d])} for d in train},
        "file_bytes": sizes,
        "python": platform.python_version(),
        "seconds": round(time.monotonic() - began, 1),
    }
    (options.out / f"{options.balancing}.json").write_text(json.dumps(facts, indent=1) + "\n")
    _say(began, f"stored in {options.out}: {sizes} bytes; all done")


def encode(tokenizer: Tokenizer, corpus: Corpus, workers: int) -> tuple[Documents, Documents]:
    """Tokens of all documents, in as many processes."""
    texts = [
        (held_out, domain, text)
        for held_out, side in ((False, corpus.train), (True, corpus.held))
        for domain, documents in side.items()
        for text in documents
    ]
    # One lot for each process, so that each keeps the words that it has met.
    lots = [[text for _, _, text in texts[start::workers]] for start in range(workers)]
    with get_context("fork").Pool(workers) as children:
        results = children.map(tokenizer.encode_all, lots, chunksize=1)
    sides: tuple[Documents, Documents] = ({d: [] for d in corpus.train}, {d: [] for d in corpus.train})
    for number, (held_out, domain, _) in enumerate(texts):
        sides[held_out][domain].append(results[number % workers][number // workers])
    return sides


def _tokenizer(corpus: Corpus, plan: Plan) -> Tokenizer:
    """Learn the tokenizer from as much text of every domain."""
    sample = [text for documents in corpus.train.values() for text in _up_to(documents, plan.sample_bytes)]
    return learn(sample, vocabulary=plan.vocabulary, words=plan.words, seconds=plan.learn_seconds)


def _up_to(documents: list[bytes], most: int) -> Iterator[bytes]:
    for document in documents:
        if most <= 0:
            return
        yield document[:most]
        most -= len(document)


def _tokens(documents: list[NDArray[np.uint16]]) -> int:
    return sum(map(len, documents))


def _say(began: float, text: str) -> None:
    print(f"[{time.monotonic() - began:6.1f} s] {text}", flush=True)


def _options(arguments: list[str] | None) -> Any:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, help="for everything [9; 1 with --check, 0.5 with --tiny]")
    parser.add_argument("--balancing", choices=BALANCINGS, default="loss_free")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--megabytes", type=float, default=3.6, help="largest size of the files together")
    parser.add_argument("--release", type=float, help="see Plan.release [0.15]")
    parser.add_argument("--root", type=Path, action="append", help="look for text here only; may be repeated")
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args(arguments)
    if options.minutes is None:
        options.minutes = 0.5 if options.tiny else 1.0 if options.check else 9.0
    if not (math.isfinite(options.minutes) and options.minutes > 0):
        parser.error("--minutes must be above 0")
    return options


if __name__ == "__main__":
    main()
