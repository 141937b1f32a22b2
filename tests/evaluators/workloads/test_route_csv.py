from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from evaluators.workloads.route_csv import read_route_csv, read_route_log
from evaluators.workloads.trace_files import TraceError

HEAD = """# route_trace v1
# model=/x/m.gguf arch=a n_layer=2 n_expert=8 n_expert_used=2
# layer=0 expert_bytes=100 dense_bytes=7
# layer=1 expert_bytes=200 dense_bytes=9
turn,phase,step,layer,slot,expert,weight,residency,expert_bytes
"""
# A prompt of two tokens whose last layer is logged for the last of them alone, then two decoded tokens, two turns.
PROMPT = ["0,0,0,0,0,1,.7,0,100", "0,0,0,0,1,2,.3,0,100", "0,0,1,0,0,3,.6,0,100", "0,0,1,0,1,2,.4,1,0"]
LAST = ["0,0,1,1,0,5,.5,0,200", "0,0,1,1,1,6,.5,0,200"]
DECODED = ["0,1,2,0,0,7,.9,0,100", "0,1,2,0,1,1,.1,1,0", "0,1,2,1,0,4,.8,0,200", "0,1,2,1,1,5,.2,1,0"]
SECOND = ["1,1,0,0,0,0,.6,0,100", "1,1,0,0,1,1,.4,1,0", "1,1,0,1,0,2,.8,0,200", "1,1,0,1,1,3,.2,1,0"]


def write(path: Path, *rows: str, head: str = HEAD) -> Path:
    path.write_text(head + "\n".join(rows) + "\n")
    return path


def test_decoded_tokens_come_back_by_turn(tmp_path: Path) -> None:
    trace = read_route_csv(write(tmp_path / "t.csv", *PROMPT, *LAST, *DECODED, *SECOND))
    assert (trace.layers, trace.experts, trace.top_k) == (2, 8, 2)
    first, second = trace.domains["decode"]
    np.testing.assert_array_equal(first.ids, [[[7, 1], [4, 5]]])
    np.testing.assert_array_equal(second.ids, [[[0, 1], [2, 3]]])
    assert first.weights is not None
    np.testing.assert_allclose(first.weights, [[[0.9, 0.1], [0.8, 0.2]]])


def test_the_log_keeps_the_order_of_its_lines(tmp_path: Path) -> None:
    log = read_route_log(write(tmp_path / "t.csv", *PROMPT, *LAST, *DECODED))
    assert log.expert.tolist() == [1, 2, 3, 2, 5, 6, 7, 1, 4, 5]
    assert log.decode.tolist() == [False] * 6 + [True] * 4
    assert log.expert_bytes.tolist() == [100, 200]
    assert log.dense_bytes.tolist() == [7, 9]


@pytest.mark.parametrize(
    ("rows", "head", "says"),
    [
        (DECODED, HEAD.replace("v1", "v9"), "not a route log"),
        (DECODED, HEAD.replace("weight", "gate"), "not a route log"),
        (DECODED, HEAD.replace("n_expert_used=2", ""), "comments give only"),
        (DECODED, HEAD.replace("# layer=1", "# layer=3"), "bytes of 2 layers of 2"),
        ([*DECODED, "x,1,0,0,0,0,.1,0,0"], HEAD, "from line 6"),
        ([*DECODED, "0,1,0"], HEAD, "from line 6"),
        ([DECODED[0].replace(".9", "nan"), *DECODED[1:]], HEAD, "not finite"),
        ([DECODED[0].replace(",7,", ",8,"), *DECODED[1:]], HEAD, "expert runs from 1 to 8"),
        ([DECODED[0].replace(",7,", ",1,"), *DECODED[1:]], HEAD, "an expert twice"),
        (DECODED[:3], HEAD, "3 lines of decoding for 1 tokens, need 4"),
        ([*PROMPT, *LAST], HEAD, "no decoded token"),
    ],
)
def test_bad_logs_are_refused_with_reason(tmp_path: Path, rows: list[str], head: str, says: str) -> None:
    with pytest.raises(TraceError) as caught:
        read_route_csv(write(tmp_path / "t.csv", *rows, head=head))
    assert says in str(caught.value)
    assert "t.csv" in str(caught.value)


def test_the_public_log_reads() -> None:
    path = Path(os.environ.get("EVOLVE_TRACES", "")) / "qwen.route.csv"
    if "EVOLVE_TRACES" not in os.environ or not path.exists():
        pytest.skip("EVOLVE_TRACES names no folder with qwen.route.csv")
    trace = read_route_csv(path)
    (sequence,) = trace.domains["decode"]
    assert sequence.ids.shape == (128, 48, 6)
    assert sequence.weights is not None
    assert (np.diff(sequence.weights, axis=2) <= 0).all()
    log = read_route_log(path)
    assert set(log.expert_bytes.tolist()) == {2654208, 3059712}
    assert log.decode.sum() == 128 * 48 * 6
