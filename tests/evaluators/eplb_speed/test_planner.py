from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from evaluators.eplb_speed.measures import mean_balance
from evaluators.eplb_speed.planner import deepseek_plan
from evaluators.eplb_speed.shapes import Shape
from seeds import ROOT, read_seeds

BASELINE = next(seed.source for seed in read_seeds(ROOT / "eplb_speed") if seed.name == "deepseek")

SHAPES = [
    Shape(layers=3, experts=12, top_k=2, num_slots=16, num_groups=4, num_nodes=2, num_gpus=8),
    Shape(layers=2, experts=32, top_k=4, num_slots=48, num_groups=8, num_nodes=4, num_gpus=8),
    Shape(layers=2, experts=32, top_k=4, num_slots=48, num_groups=8, num_nodes=3, num_gpus=12),
    Shape(layers=2, experts=16, top_k=2, num_slots=16, num_nodes=1, num_gpus=4),
    Shape(layers=2, experts=24, top_k=2, num_slots=96, num_groups=2, num_nodes=1, num_gpus=48),
]


def by_gpu(plan: Any, gpus: int) -> list[list[list[int]]]:
    """What each GPU holds, whatever the order."""
    return [[sorted(gpu) for gpu in layer.reshape(gpus, -1).tolist()] for layer in np.asarray(plan)]


def test_the_published_example_comes_out() -> None:
    # github.com/deepseek-ai/EPLB, README, "Interface and Example": 4 groups of 3 experts on 2 nodes.
    load = np.array(
        [
            [90, 132, 40, 61, 104, 165, 39, 4, 73, 56, 183, 86],
            [20, 107, 104, 64, 19, 197, 187, 157, 172, 86, 16, 27],
        ],
        dtype=np.float32,
    )
    published = [
        [5, 6, 5, 7, 8, 4, 3, 4, 10, 9, 10, 2, 0, 1, 11, 1],
        [7, 10, 6, 8, 6, 11, 8, 9, 2, 4, 5, 1, 5, 0, 3, 1],
    ]
    shape = Shape(layers=2, experts=12, top_k=2, num_slots=16, num_groups=4, num_nodes=2, num_gpus=8)
    assert by_gpu(deepseek_plan(load, shape), 8) == by_gpu(published, 8)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"{shape.label}/{shape.num_groups}of{shape.num_nodes}")
@pytest.mark.parametrize("law", ["usual", "ties", "steep", "idle"])
def test_the_judges_planner_and_the_baseline_plan_alike(shape: Shape, law: str) -> None:
    program: dict[str, Any] = {}
    exec(BASELINE, program)
    size = (shape.layers, shape.experts)
    for seed in range(5):
        rng = np.random.default_rng(seed)
        counts = {
            "usual": rng.poisson(200 * np.exp(rng.normal(0, 0.8, size))),
            "ties": rng.integers(0, 3, size),
            "steep": rng.poisson(50 * np.exp(rng.normal(0, 2, size))),
            "idle": np.zeros(size),
        }
        load = counts[law].astype(np.float32)
        ours = deepseek_plan(load, shape)
        theirs = program["rebalance"](
            load=load,
            num_slots=shape.num_slots,
            num_groups=shape.num_groups,
            num_nodes=shape.num_nodes,
            num_gpus=shape.num_gpus,
        )
        assert np.array_equal(ours, theirs)
        assert mean_balance(ours, load, shape) == mean_balance(theirs, load, shape)


def test_an_idle_layer_is_planned_too() -> None:
    load = np.zeros((3, 12), dtype=np.float32)
    plan = deepseek_plan(load, SHAPES[0])
    assert all(set(layer) == set(range(12)) for layer in plan.tolist())
    assert mean_balance(plan, load, SHAPES[0]) == 1.0


@pytest.mark.parametrize(
    "change",
    [{"num_slots": 15}, {"num_slots": 8}, {"num_gpus": 9}, {"num_gpus": 1, "num_nodes": 1}, {"num_groups": 5}],
)
def test_impossible_shapes_are_refused(change: dict[str, int]) -> None:
    facts = {"layers": 3, "experts": 12, "top_k": 2, "num_slots": 16, "num_groups": 4, "num_nodes": 2, "num_gpus": 8}
    with pytest.raises(ValueError, match="needs"):
        Shape(**(facts | change))
