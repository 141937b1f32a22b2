"""Checks the operator of MODULE: its registration, fake results, torch.compile, values. Needs torch, triton, pytest.

    python -m pytest test_MODULE_operator.py                       on a CUDA GPU
    TRITON_INTERPRET=1 python -m pytest test_MODULE_operator.py    without one, by the interpreter of Triton 3.9

The interpreter reads bfloat16 and casts it to float32 rightly, but computes wrongly in it and rounds to it by cutting
off: there bfloat16 results are held to one unit in the last place, and a kernel that computes in bfloat16 can fail
though it is right on a GPU. With neither, what needs no kernel is checked on tensors without data; the rest is skipped.
"""

import os

import pytest
import torch
import triton
from MODULE_cases import OPERATOR, SMALL, STRETCHED, arguments, check, reference, refused

HAS_GPU = torch.cuda.is_available()
DEVICE = "cuda" if HAS_GPU else "cpu"
INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
# The interpreter before 3.9 fails on ordinary loops.
IS_INTERPRETER_FIT = tuple(map(int, triton.__version__.split(".")[:2])) >= (3, 9)
# Compiling for a CPU would need a C++ compiler and prove nothing of the operator; this traces and checks all the same.
BACKEND = "inductor" if HAS_GPU else "aot_eager"

runs_kernels = pytest.mark.skipif(
    not HAS_GPU and not (INTERPRETED and IS_INTERPRETER_FIT),
    reason="needs a CUDA GPU, or TRITON_INTERPRET=1 and Triton 3.9 or newer: torch sees no GPU",
)
each_size = pytest.mark.parametrize("size", SMALL, ids=str)


@pytest.fixture(autouse=True)
def seeded():
    """The same numbers in every test."""
    torch.manual_seed(0)


def tensors(results):
    """Results as a tuple."""
    return results if isinstance(results, tuple) else (results,)


@runs_kernels
@each_size
def test_values_are_those_of_plain_pytorch(size):
    given = arguments(*size, DEVICE)
    kept = {name: value.clone() for name, value in given.items() if torch.is_tensor(value)}
    check(given, OPERATOR(**given))
    assert all(torch.equal(given[name], value) for name, value in kept.items())


@runs_kernels
@pytest.mark.parametrize("size", [SMALL[0], SMALL[-1]], ids=str)
def test_it_is_registered_as_pytorch_asks(size):
    torch.library.opcheck(OPERATOR, (), arguments(*size, DEVICE))


@runs_kernels
def test_arguments_need_not_be_contiguous():
    given = arguments(*SMALL[-1], DEVICE)
    turned = {
        name: value.transpose(0, -1).contiguous().transpose(0, -1) if torch.is_tensor(value) else value
        for name, value in given.items()
    }
    check(given, OPERATOR(**turned))


@runs_kernels
def test_a_compiled_graph_gives_the_same_values_for_every_number_of_tokens():
    compiled = torch.compile(lambda given: OPERATOR(**given), fullgraph=True, dynamic=True, backend=BACKEND)
    for size in STRETCHED:
        given = arguments(*size, DEVICE)
        check(given, compiled(given))


@runs_kernels
def test_it_can_be_compiled_among_other_operations():
    def surrounded(given):
        doubled = {name: value.neg().neg() if torch.is_tensor(value) else value for name, value in given.items()}
        return [result + 1 for result in tensors(OPERATOR(**doubled))]

    compiled = torch.compile(surrounded, fullgraph=True, dynamic=True, backend=BACKEND)
    given = arguments(*STRETCHED[0], DEVICE)
    for result, plain in zip(compiled(given), surrounded(given), strict=True):
        torch.testing.assert_close(result, plain, rtol=0, atol=0)


@pytest.mark.skipif(not HAS_GPU or INTERPRETED, reason="needs a CUDA GPU: torch sees none, or kernels are interpreted")
def test_a_cuda_graph_replays_it_on_new_contents():
    given = arguments(*STRETCHED[2], "cuda")
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        OPERATOR(**given)
    stream.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        found = OPERATOR(**given)
    for name, value in arguments(*STRETCHED[2], "cuda").items():
        if torch.is_tensor(value):
            given[name].copy_(value)
    graph.replay()
    torch.cuda.synchronize()
    check(given, found)


@each_size
def test_fake_results_have_the_forms_of_plain_pytorch(size):
    given = arguments(*size, "meta")
    for fake, plain in zip(tensors(OPERATOR(**given)), tensors(reference(**given)), strict=True):
        assert fake.device.type == "meta"
        assert (fake.shape, fake.dtype) == (plain.shape, plain.dtype)
        assert fake.is_contiguous()


def test_one_graph_serves_every_number_of_tokens():
    graphs = []

    def count(graph, _):
        graphs.append(graph)
        return graph.forward

    compiled = torch.compile(lambda given: OPERATOR(**given), fullgraph=True, dynamic=True, backend=count)
    for size in STRETCHED:
        given = arguments(*size, "meta")
        for fake, plain in zip(tensors(compiled(given)), tensors(reference(**given)), strict=True):
            assert fake.shape == plain.shape
    assert len(graphs) == 1


def test_what_was_never_judged_is_refused():
    wrong = list(refused("meta"))
    assert wrong
    for given, word in wrong:
        with pytest.raises(RuntimeError, match=word):
            OPERATOR(**given)
