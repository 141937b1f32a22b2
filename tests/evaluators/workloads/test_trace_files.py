from __future__ import annotations

import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

from evaluators.workloads.trace_files import TraceError, read_esft, read_npz, read_trace

# Two sequences of 3 and 2 tokens, one layer, two experts a token.
IDS = np.array([[[0, 5]], [[3, 1]], [[2, 4]], [[9, 0]], [[1, 2]]], dtype=np.uint8)
LENGTHS = np.array([3, 2], dtype=np.int32)
WEIGHTS = np.linspace(0.1, 0.5, IDS.size, dtype=np.float16).reshape(IDS.shape)


def write(path: Path, **arrays: object) -> Path:
    np.savez(path, **{"ids_a": IDS, "len_a": LENGTHS, **arrays})
    return path


def refusal(path: Path, **options: int) -> str:
    with pytest.raises(TraceError) as caught:
        read_trace(path, **options)
    message = str(caught.value)
    assert path.name in message
    return message


def test_the_packed_layout_comes_back_by_sequence(tmp_path: Path) -> None:
    other = {"ids_b": IDS[::-1].astype(np.uint16), "len_b": np.array([1, 1, 3]), "w_b": WEIGHTS}
    trace = read_npz(write(tmp_path / "t.npz", **other))
    assert (trace.layers, trace.top_k, trace.experts) == (1, 2, 16)
    assert list(trace.domains) == ["a", "b"]
    assert [len(sequence.ids) for sequence in trace.domains["b"]] == [1, 1, 3]
    np.testing.assert_array_equal(np.concatenate([s.ids for s in trace.domains["a"]]), IDS)
    assert trace.domains["a"][0].weights is None
    weights = trace.domains["b"][2].weights
    assert weights is not None
    assert weights.dtype == np.float32
    np.testing.assert_array_equal(weights, WEIGHTS[2:].astype(np.float32))


def test_the_number_of_experts_can_be_told(tmp_path: Path) -> None:
    path = write(tmp_path / "t.npz")
    assert read_trace(path, experts=60).experts == 60
    assert "expert id 9 in a model of 9 experts" in refusal(path, experts=9)


def test_the_digest_follows_the_content(tmp_path: Path) -> None:
    first, same = write(tmp_path / "1.npz"), write(tmp_path / "2.npz")
    other = write(tmp_path / "3.npz", len_a=np.array([4, 1]))
    assert read_npz(first).digest == read_npz(same).digest != read_npz(other).digest


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({"id_b": IDS}, "unexpected array 'id_b'"),
        ({"ids_": IDS}, "unexpected array 'ids_'"),
        ({"w_b": WEIGHTS}, "domain 'b' has no array ids_b"),
        ({"ids_b": IDS}, "domain 'b' has no array len_b"),
        ({"ids_a": IDS[:, 0]}, "need integers (tokens, layers, top_k)"),
        ({"ids_a": IDS.astype(np.float32)}, "ids are float32"),
        ({"ids_a": IDS[:0]}, "hold no token"),
        ({"ids_a": IDS.astype(np.int16) - 1}, "ids run from -1 to 8"),
        ({"ids_a": IDS.astype(np.int32) * 1000}, "ids run from 0 to 9000"),
        ({"ids_a": np.full((5, 1, 2), 2**64 - 1, dtype=np.uint64)}, "ids run from -1"),
        ({"ids_a": np.zeros_like(IDS)}, "an expert twice"),
        ({"len_a": np.array([3, 1])}, "len holds 2 sequences, 4 tokens, but ids 5 tokens"),
        ({"len_a": np.array([6, -1])}, "each at least 1"),
        ({"len_a": np.array([], dtype=np.int32)}, "len holds 0 sequences"),
        ({"len_a": np.array([[3, 2]])}, "need integers (sequences,)"),
        ({"len_a": np.array([3.0, 2.0])}, "len is float64"),
        ({"w_a": WEIGHTS[:2]}, "need floats (5, 1, 2)"),
        ({"w_a": IDS}, "weights are uint8"),
        ({"w_a": np.full_like(WEIGHTS, np.nan)}, "weights are not finite"),
        ({"ids_b": np.repeat(IDS, 2, axis=1), "len_b": LENGTHS}, "domains differ in (layers, top_k)"),
        ({"ids_a": IDS.astype(object)}, "Object arrays cannot be loaded"),
    ],
)
def test_bad_arrays_are_refused_with_reason(tmp_path: Path, arrays: dict[str, object], says: str) -> None:
    assert says in refusal(write(tmp_path / "t.npz", **arrays))


def test_files_that_are_no_npz_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.npz").write_bytes(b"")
    assert "the file is empty" in refusal(tmp_path / "empty.npz")
    (tmp_path / "text.npz").write_text("ids\n")
    assert "not an npz file" in refusal(tmp_path / "text.npz")
    np.save(tmp_path / "single.npy", IDS)
    assert "not an npz file" in refusal(tmp_path / "single.npy")
    whole = write(tmp_path / "whole.npz").read_bytes()
    (tmp_path / "half.npz").write_bytes(whole[: len(whole) // 2])
    assert "cut short" in refusal(tmp_path / "half.npz")
    with zipfile.ZipFile(tmp_path / "bare.npz", "w"):
        pass
    assert "no arrays" in refusal(tmp_path / "bare.npz")
    with zipfile.ZipFile(tmp_path / "notes.npz", "w") as archive:
        archive.writestr("ids_a", "not an array")
    assert "'ids_a' is not an array" in refusal(tmp_path / "notes.npz")
    assert "no such file" in refusal(tmp_path / "missing.npz")


def test_damaged_compression_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.npz"
    np.savez_compressed(path, ids_a=np.tile(IDS, (50, 1, 1)), len_a=np.array([250]))
    content = bytearray(path.read_bytes())
    content[60:90] = bytes(30)
    path.write_bytes(content)
    assert "not a readable npz file" in refusal(path)


def esft(folder: Path, layers: list[str]) -> Path:
    folder.mkdir(parents=True)
    for layer, text in enumerate(layers, start=1):
        (folder / f"expert_weights_{layer}.txt").write_text(text)
    return folder


def line(*ids: int) -> str:
    return "\t".join(map(str, ids)) + "\t\t" + "\t".join("0.25" for _ in ids) + "\n"


def test_esft_files_come_back_by_sequence(tmp_path: Path) -> None:
    esft(tmp_path / "law", [line(0, 5, 3, 1) + line(2, 4), line(7, 6, 5, 4) + line(3, 2)])
    (tmp_path / "law" / "summary.json").write_text("{}")
    trace = read_trace(tmp_path, top_k=2)
    assert (trace.layers, trace.top_k, trace.experts) == (2, 2, 8)
    first, second = trace.domains["law"]
    np.testing.assert_array_equal(first.ids, [[[0, 5], [7, 6]], [[3, 1], [5, 4]]])
    np.testing.assert_array_equal(second.ids, [[[2, 4], [3, 2]]])
    assert first.weights is not None
    np.testing.assert_array_equal(first.weights, np.full((2, 2, 2), 0.25, dtype=np.float32))


def test_esft_layers_are_ordered_by_number_and_ranks_are_joined(tmp_path: Path) -> None:
    for rank in range(2):
        esft(tmp_path / "code" / f"rank_{rank}", [line(layer, 20 + rank) for layer in range(1, 11)])
    esft(tmp_path / "text", [line(layer, 20) for layer in range(1, 11)])
    trace = read_esft(tmp_path, top_k=2)
    assert list(trace.domains) == ["code", "text"]
    assert [sequence.ids[0, 0, 1] for sequence in trace.domains["code"]] == [20, 21]
    np.testing.assert_array_equal(trace.domains["text"][0].ids[0, :, 0], np.arange(1, 11))


@pytest.mark.parametrize(
    ("layers", "says"),
    [
        (["0\t1\n"], "expert_weights_1.txt, line 1"),
        (["0\tx\t\t0.5\t0.5\n"], "invalid literal"),
        ([f"{2**70}\t1\t\t0.5\t0.5\n"], "line 1"),
        (["0\t1\t\t0.5\n"], "2 ids and 1 weights"),
        ([line(0, 1, 2)], "multiple of top_k = 2"),
        ([line(0, 1), line(0, 1) + line(2, 3)], "sequences or tokens differ"),
        ([line(0, 1), line(0, 1, 2, 3)], "sequences or tokens differ"),
        ([line(-1, 1)], "ids run from -1 to 1"),
        ([line(1, 1)], "an expert twice"),
        (["0\t1\t\tnan\t0.5\n"], "not finite"),
        ([""], "holds no sequence"),
        (["0\t1\t\t½\t0.5\n"], "cannot be read as text"),
        ([], "holds layers []"),
    ],
)
def test_bad_esft_files_are_refused_with_reason(tmp_path: Path, layers: list[str], says: str) -> None:
    esft(tmp_path / "law", layers)
    assert says in refusal(tmp_path, top_k=2)


def test_a_missing_layer_and_a_folder_without_domains_are_refused(tmp_path: Path) -> None:
    assert "no folder per domain" in refusal(tmp_path)
    folder = esft(tmp_path / "law", [line(0, 1), line(0, 1), line(0, 1)])
    (folder / "expert_weights_2.txt").unlink()
    assert "holds layers [1, 3]" in refusal(tmp_path, top_k=2)


def test_the_public_trace_reads(tmp_path: Path) -> None:
    path = Path(os.environ.get("EVOLVE_TRACES", "")) / "esft_dsv2lite_intent_summary.npz"
    if "EVOLVE_TRACES" not in os.environ or not path.exists():
        pytest.skip("EVOLVE_TRACES names no folder with esft_dsv2lite_intent_summary.npz")
    trace = read_trace(path)
    assert (trace.layers, trace.top_k, trace.experts) == (26, 6, 64)
    assert {domain: len(sequences) for domain, sequences in trace.domains.items()} == {
        "intent": 127,
        "summary": 13,
    }
