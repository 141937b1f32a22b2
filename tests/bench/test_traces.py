"""The script that makes the project's own traces: text, tokenizer, model, recording, card; as a toy, without a GPU."""

from __future__ import annotations

import importlib
import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from evaluators.workloads.own import read_own, read_scores
from evaluators.workloads.trace_files import RoutedSequence, Trace

TRACES = Path(__file__).parents[2] / "bench" / "traces"
WORDS = ("the", "router", "sends", "a", "token", "to", "expert", "and", "load", "balance", "of", "layers", "is", "kept")

needs_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")


def module(name: str) -> ModuleType:
    if str(TRACES) not in sys.path:
        sys.path.append(str(TRACES))  # as it is for a script, which finds its neighbours there
    return importlib.import_module(name)


def prose(rng: np.random.Generator, words: int) -> str:
    return "the end of the " + " ".join(rng.choice(WORDS, size=words)) + "\n"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders with documents of every domain, 40 folders so that some are held out."""
    folder = tmp_path_factory.mktemp("text") / "some" / "where"
    rng = np.random.default_rng(0)
    for number in range(40):
        here = folder / f"package{number}"
        here.mkdir(parents=True)
        names = [f"{word}_{rng.integers(99)}" for word in rng.choice(WORDS, size=60)]
        (here / "a.py").write_text("".join(f"def {name}(x):\n    return x + {len(name)}\n\n" for name in names))
        (here / "a.h").write_text("".join(f"int {name}(const char* x, int n);\n" for name in names))
        (here / "a.md").write_text("".join(prose(rng, 12) for _ in range(30)))
        (here / "a.json").write_text(json.dumps(dict.fromkeys(names, number), indent=1))
        (here / "a.js").write_text("".join(f"function {name}(x) {{ return x * 2; }}\n" for name in names))
    return folder


def test_text_is_found_by_domain_and_folders_are_held_out_whole(root: Path) -> None:
    texts = module("texts")
    corpus = texts.gather(train_bytes=10**6, held_bytes=10**6, seconds=20, workers=1, folders=[root])
    assert list(corpus.train) == list(texts.DOMAINS)
    counts = {domain: (len(corpus.train[domain]), len(corpus.held[domain])) for domain in texts.DOMAINS}
    assert len(set(counts.values())) == 1, "a folder's documents are all on one side"
    assert sum(counts["python"]) == 40
    assert 1 <= counts["python"][1] <= 12
    small = texts.gather(train_bytes=5000, held_bytes=10**6, seconds=20, workers=1, folders=[root])
    for domain in texts.DOMAINS:
        sizes = [len(document) for document in small.train[domain]]
        assert sum(sizes[:-1]) < 5000 <= sum(sizes)


@pytest.mark.parametrize(
    ("domain", "text"),
    [
        ("python", b"short"),
        ("python", b"x = 1\n" * 200 + b"\0"),
        ("python", b"x = '" + b"y" * 5000 + b"'\n"),
        ("headers", b"// \xff\xfe\xfd\n" * 200),
        ("prose", b"el perro come la comida y la casa es grande\n" * 40),
    ],
)
def test_what_is_no_text_is_left_out(domain: str, text: bytes) -> None:
    assert module("texts").clean_text(domain, text) == b""


def test_equal_documents_count_once(root: Path, tmp_path: Path) -> None:
    for number in range(5):
        shutil.copytree(root / "package0", tmp_path / f"copy{number}")
    texts = module("texts")
    corpus = texts.gather(train_bytes=10**6, held_bytes=10**6, seconds=20, workers=1, folders=[tmp_path])
    assert sum(map(len, corpus.train.values())) <= 5


def test_a_manual_page_loses_its_requests() -> None:
    plain = module("texts")._without_roff(b'.\\" comment\n.TH LS 1\n.B ls\n\\fIlist\\fR the \\-a files\n')
    assert plain == b"LS 1\nls\nlist the a files"


def test_tokens_spell_the_text_and_are_fewer_than_its_bytes() -> None:
    bpe = module("bpe")
    text = (prose(np.random.default_rng(1), 800) + "x\u00e9 \t\r\n\n  0123456789_+=\x0b").encode()
    tokenizer = bpe.learn([text], vocabulary=330, words=1000, seconds=30)
    assert 257 < tokenizer.vocabulary <= 330
    spelled = [bytes([n]) for n in range(256)] + [b""]
    for first, second in tokenizer.merges:
        spelled.append(spelled[first] + spelled[second])
    tokens = tokenizer.encode(text)
    assert b"".join(spelled[token] for token in tokens) == text
    assert len(tokens) < len(text) / 2
    assert tokens.max() < tokenizer.vocabulary


def test_the_most_frequent_pair_is_merged_first() -> None:
    tokenizer = module("bpe").learn([b"ab ab ab ab cd cd"], vocabulary=259, words=10, seconds=30)
    assert tokenizer.merges[0] == (ord("a"), ord("b"))


@needs_torch
def test_the_experts_layer_agrees_with_a_plain_sum_in_values_and_gradients() -> None:
    import torch

    model = module("model")
    shape = model.Shape(vocabulary=10, width=16, experts=8, top_k=3, expert_width=12, shared_width=8)
    torch.manual_seed(0)
    experts = model.Experts(shape, model.grouped_by_loop)
    experts.bias += torch.randn(8)
    rows = torch.randn(20, 16, requires_grad=True)
    chosen, gates, _ = experts.route(rows)

    def plain() -> torch.Tensor:
        out = []
        for token in range(20):
            total = experts.shared(rows[token : token + 1])[0]
            for gate, expert in zip(gates[token], chosen[token], strict=True):
                left, right = (rows[token] @ experts.up[expert]).chunk(2)
                total = total + gate * ((torch.nn.functional.silu(left) * right) @ experts.down[expert])
            out.append(total)
        return torch.stack(out)

    back = torch.randn(20, 16)
    wanted = torch.autograd.grad(plain(), [rows, experts.up, experts.down, experts.router], back)
    got = torch.autograd.grad(experts(rows), [rows, experts.up, experts.down, experts.router], back)
    torch.testing.assert_close(experts(rows), plain())
    for a, b in zip(got, wanted, strict=True):
        torch.testing.assert_close(a, b)
    assert chosen.shape == (20, 3)
    torch.testing.assert_close(gates.sum(dim=1), torch.ones(20))


@needs_torch
def test_biases_lift_what_is_idle_and_lower_what_is_busy() -> None:
    import torch

    model = module("model")
    experts = model.Experts(model.Shape(vocabulary=4, width=8, experts=4, top_k=1), model.grouped_by_loop)
    experts.load += torch.tensor([10.0, 0.0, 5.0, 5.0])
    experts.rebalance()
    torch.testing.assert_close(experts.bias, torch.tensor([-1.0, 1.0, 0.0, 0.0]) * model.BIAS_STEP)


@needs_torch
def test_rounding_keeps_three_percent_and_files_keep_their_size() -> None:
    record = module("record")
    rng = np.random.default_rng(2)
    values = rng.random(1000).astype(np.float32) * 0.5 + 1e-3
    rounded = record._rounded(values, 4)
    assert np.abs(rounded / values - 1).max() < 0.033
    assert len(np.unique(rounded)) < 200
    ids = np.sort(np.argsort(rng.random((6000, 4, 16)), axis=2)[:, :, :3], axis=2).astype(np.uint8)
    weights = rng.random(ids.shape).astype(np.float16)
    routing = record.Routing(
        ids=ids, weights=weights, scores=weights[:, :, :1], lengths=np.full(60, 100, dtype=np.int32)
    )
    first, stops = record._fitting({"a": routing}, {"a": 0}, 20_000, weights=True)
    assert 10_000 < len(first) <= 20_000
    rest, ends = record._fitting({"a": routing}, stops, 30_000, weights=False)
    assert 15_000 < len(rest) <= 30_000
    assert 0 < stops["a"] <= 30
    assert stops["a"] < ends["a"] <= 60


@needs_torch
def test_stretches_do_not_overlap_and_stay_within_their_bounds() -> None:
    record = module("record")
    documents = [np.arange(1000 * n, 1000 * n + 400).astype(np.uint16) for n in range(6)]
    found = record.windows(documents, tokens=900, shortest=20, longest=90, rng=np.random.default_rng(0))
    tokens = np.concatenate(found)
    assert len(np.unique(tokens)) == len(tokens)
    assert 900 <= len(tokens) < 1000
    assert all(20 <= len(stretch) <= 90 for stretch in found)
    assert len({int(stretch[0]) // 1000 for stretch in found[:6]}) == 6, "each document gives one first"
    assert all((np.diff(stretch.astype(int)) == 1).all() for stretch in found)


def test_the_figures_of_the_card_are_those_of_a_trace_made_by_hand() -> None:
    card = module("card")
    ids = np.array([[[0, 1]], [[1, 2]], [[1, 2]], [[4, 5]]], dtype=np.uint16)
    sequences = (RoutedSequence(ids=ids[:3], weights=None), RoutedSequence(ids=ids[3:], weights=None))
    loads = card.loads_of(sequences, 8)
    assert loads.tolist() == [[1, 3, 2, 0, 1, 1, 0, 0]]
    assert card.peaks(loads, 8).tolist() == [3.0]
    assert card.peaks(loads, 2).tolist() == [1.5], "experts 0 to 3 have 6 of 8 visits"
    assert card.overlap(sequences, 8).tolist() == [1.5], "tokens of two sequences are no neighbours"
    trace = Trace(digest="d", layers=1, top_k=2, experts=8, domains={"a": sequences[:1], "b": sequences[1:]})
    assert card.dead_share(trace) == 3 / 8
    figures = {band.name: values for band, values in card.statistics(trace).items()}
    assert figures[card.EXPERT_PEAK.name] == (4.0, 4.0, 4.0)
    assert figures[card.CORRELATION.name][0] < 0


@needs_torch
@pytest.mark.slow
def test_the_whole_way_from_text_to_card(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "data"
    script = [sys.executable, str(TRACES / "train.py"), "--tiny", "--device", "cpu", "--minutes", "0.15"]
    done = subprocess.run(
        [*script, "--root", str(root), "--balancing", "loss_free", "--out", str(out)],
        capture_output=True, text=True, timeout=150, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "all done" in done.stdout
    for path in list(out.iterdir()):
        shutil.copy(path, out / path.name.replace("loss_free", "unbalanced"))
    trace, scores = read_own("loss_free", out), read_scores("loss_free", out)
    assert (trace.layers, trace.experts, trace.top_k) == (2, 16, 4)
    assert len(trace.domains) >= 2
    facts = json.loads((out / "loss_free.json").read_text())
    assert scores.step[-1] == facts["steps"]
    assert scores.bias.any()
    for domain, sequences in trace.domains.items():
        assert sequences[0].weights is not None
        np.testing.assert_allclose(sequences[0].weights.sum(axis=2), 1, atol=0.05)
        best = np.argsort(-(scores.affinity[domain][-1].astype(np.float32) + scores.bias[-1]), axis=2)[:, :, :4]
        recorded = np.concatenate([sequence.ids for sequence in sequences])[scores.tokens[domain]][:, scores.layer]
        same = [len(set(a) & set(b)) for a, b in zip(best.reshape(-1, 4), recorded.reshape(-1, 4), strict=True)]
        assert np.mean(same) > 3.8, "affinities and routing are of the same tokens; rounding may swap neighbours"
    card = subprocess.run(
        [sys.executable, str(TRACES / "card.py"), "--data", str(out)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert card.returncode == 0, card.stderr
    text = (out / "README.md").read_text()
    assert "## `unbalanced`" in text
    assert text.count("busiest expert / mean load of a domain | 3.3 to 5.6") == 2
