"""Text of a guest program: records what a file's ``Model`` computes, as a list of PyTorch operators.

It runs in a sandbox whose zygote imported numpy and torch; the judge reads this file and never imports it. The file
under `source` is foreign code and shares this process, so that a reply is a claim: the judge checks every field of it.

`get_inputs` and `forward` run on the meta device, where tensors have shapes and no data, so that sizes cost nothing. A
dispatch mode sees every operator below autograd. What cannot be told without data is refused by the operator's name.
"""

from __future__ import annotations

import ast
import inspect
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from types import ModuleType
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

LEAST_SIZE = 16
"""Smaller integers of a file are strides, axes, groups and the like."""

TIMES = 2
"""How often everything is recorded, to see that it is the same each time."""

REASON_CHARACTERS = 300
# What has to do with where a result lies and not with what it is.
PLACE_KEYWORDS = frozenset({"device", "layout", "pin_memory", "non_blocking"})
DATA_TAGS = (torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape)


class RefusedError(Exception):
    """The file cannot be judged."""


class Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes every operator and what it is applied to.

    Args:
        operators: names of those that the judge knows.
        draws: names of random ones that are known too; only `get_inputs` may use them.
        where: what runs, for messages.
    """

    def __init__(self, operators: frozenset[str], draws: frozenset[str], where: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._operators, self._draws, self._where = operators, draws, where
        self._number: dict[int, int] = {}
        self._kept: list[Tensor] = []
        self._lent: set[int] = set()
        self.nodes: list[dict[str, Any]] = []

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Nothing is compiled here."""
        return False

    def argument(self, tensor: Tensor) -> None:
        """Give a tensor the next number; it may only be read."""
        self._lent.add(tensor.untyped_storage()._cdata)
        self._add(tensor)

    def number(self, tensor: Tensor) -> int:
        """The number of a tensor.

        Raises:
            RefusedError: it came from elsewhere.
        """
        if id(tensor) not in self._number:
            raise RefusedError(
                f"{self._where} uses a tensor{list(tensor.shape)} that is no input, no parameter or buffer, and not "
                "made by an operator; register it as a buffer"
            )
        return self._number[id(tensor)]

    def __torch_dispatch__(
        self, function: Any, types: object, arguments: tuple[Any, ...] = (), keywords: dict[str, Any] | None = None
    ) -> Any:
        """Note one operator, and apply it to shapes."""
        keywords = keywords or {}
        self._check(function, arguments)
        node = {
            "operator": function.overloadpacket.__name__,
            "overload": function._overloadname,
            "arguments": [self._wire(value) for value in arguments],
            "keywords": {key: self._wire(value) for key, value in keywords.items() if key not in PLACE_KEYWORDS},
        }
        try:
            result = function(*arguments, **keywords)
        except NotImplementedError:
            raise RefusedError(f"{self._where} uses {function}, which cannot be told without data") from None
        found = [result] if isinstance(result, Tensor) else list(result)
        for tensor in found:
            self._add(tensor)
        node["results"] = [form(tensor) for tensor in found]
        self.nodes.append(node)
        return result

    def _check(self, function: Any, arguments: Sequence[Any]) -> None:
        name = function.overloadpacket.__name__
        is_random = torch.Tag.nondeterministic_seeded in function.tags
        if is_random and (not self._draws or name not in self._draws):
            raise RefusedError(f"{self._where} uses the random operator {function}; its outputs cannot be compared")
        if any(tag in function.tags for tag in DATA_TAGS):
            raise RefusedError(f"{self._where} uses {function}, whose result depends on data, not on shapes alone")
        if not is_random and (function.namespace != "aten" or name not in self._operators):
            raise RefusedError(f"{self._where} uses {function}, which is not among the operators that can be judged")
        for place, declared in enumerate(function._schema.arguments):
            if declared.alias_info is not None and declared.alias_info.is_write and place < len(arguments):
                target = arguments[place]
                if isinstance(target, Tensor) and target.untyped_storage()._cdata in self._lent:
                    raise RefusedError(f"{self._where} uses {function}, which changes an input, a weight or a buffer")

    def _add(self, tensor: Tensor) -> None:
        self._number[id(tensor)] = len(self._kept)
        self._kept.append(tensor)  # held, so that no other tensor gets its id

    def _wire(self, value: Any) -> Any:
        if isinstance(value, Tensor):
            return {"value": self.number(value)}
        if isinstance(value, list | tuple):
            return [self._wire(item) for item in value]
        if isinstance(value, torch.dtype | torch.memory_format):
            kind = "dtype" if isinstance(value, torch.dtype) else "memory_format"
            return {kind: str(value).removeprefix("torch.")}
        if isinstance(value, float) and not math.isfinite(value):
            return {"float": str(value)}
        if value is None or isinstance(value, bool | int | float | str):
            return value
        raise RefusedError(f"{self._where} passes a {type(value).__name__} to an operator, which cannot be recorded")


def form(tensor: Tensor) -> dict[str, Any]:
    """Type and shape."""
    return {"dtype": str(tensor.dtype).removeprefix("torch."), "shape": list(tensor.shape)}


def _literals(tree: ast.Module) -> Iterator[tuple[str, ast.expr, Callable[[ast.expr], None]]]:
    """Module-level integers, by name: ``N = 2048`` is ``N``, and of ``shape = (64, 32)`` the first is ``shape[0]``."""
    for node in tree.body:
        target = node.targets[0] if isinstance(node, ast.Assign) and len(node.targets) == 1 else None
        if isinstance(node, ast.AnnAssign):
            target = node.target
        if not isinstance(target, ast.Name) or not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
            continue
        if isinstance(node.value, ast.Tuple | ast.List):
            items = node.value.elts
            for place, item in enumerate(items):
                yield f"{target.id}[{place}]", item, partial(items.__setitem__, place)
        else:
            yield target.id, node.value, partial(setattr, node, "value")


def _integer(node: ast.expr) -> int | None:
    """Value of an expression of integers alone, such as ``8192 * 2``."""
    legal = ast.Constant | ast.BinOp | ast.UnaryOp | ast.operator | ast.unaryop
    if not all(isinstance(it, legal) for it in ast.walk(node)):
        return None
    value = eval(compile(ast.Expression(node), "<size>", "eval"), {"__builtins__": {}})  # noqa: S307 - constants alone
    return value if type(value) is int else None


def sizes_of(source: str) -> dict[str, int]:
    """The integers of a file that may be sizes, by name."""
    found = {name: _integer(node) for name, node, _ in _literals(ast.parse(source))}
    return {name: value for name, value in found.items() if value is not None and value >= LEAST_SIZE}


def load(source: str, sizes: Mapping[str, int]) -> ModuleType:
    """Run the file with other sizes."""
    tree = ast.parse(source)
    for name, _, put in _literals(tree):
        if name in sizes:
            put(ast.Constant(sizes[name]))
    module = ModuleType("kernelbench_file")
    sys.modules[module.__name__] = module
    exec(compile(ast.fix_missing_locations(tree), "<file>", "exec", dont_inherit=True), module.__dict__)  # noqa: S102
    for name in ("Model", "get_inputs", "get_init_inputs"):
        if not callable(getattr(module, name, None)):
            raise RefusedError(f"the file defines no {name}")
    return module


def make_model(module: ModuleType) -> Any:
    """``Model`` as the file initialises it, and as KernelBench leaves it: in training mode."""
    given = module.get_init_inputs()
    return module.Model(**given) if isinstance(given, Mapping) else module.Model(*given)


def weights_of(model: Any) -> dict[str, Tensor]:
    """Parameters and buffers, each once."""
    named: dict[int, tuple[str, Tensor]] = {}
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        named.setdefault(id(tensor), (name, tensor))
    return dict(named.values())


def input_names(model: Any, count: int) -> list[str]:
    """Names of ``forward``'s parameters, as many as there are inputs."""
    names = []
    for parameter in inspect.signature(model.forward).parameters.values():
        if parameter.kind is parameter.VAR_POSITIONAL:
            break
        names.append(parameter.name)
    return (names + [f"input_{place}" for place in range(len(names), count)])[:count]


def _require_equal(recordings: list[list[dict[str, Any]]], where: str) -> None:
    if any(nodes != recordings[0] for nodes in recordings):
        raise RefusedError(f"{where} does something different at each call: it keeps a state, or draws with Python")


def trace(
    source: str,
    sizes: Mapping[str, int],
    operators: Sequence[str],
    draws: Sequence[str],
    numbers: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """What ``get_inputs`` and ``forward`` do with these sizes, and with other numbers among the inputs."""
    module = load(source, sizes)
    with torch.no_grad(), torch.device("meta"):
        recordings = []
        for _ in range(TIMES):
            drawing = Recorder(frozenset(operators), frozenset(draws), "get_inputs")
            with drawing:
                inputs = list(module.get_inputs())
            recordings.append(drawing.nodes)
        _require_equal(recordings, "get_inputs")
        model = make_model(module)
        weights = weights_of(model)
        names = input_names(model, len(inputs))
        inputs = [(numbers or {}).get(name, value) for name, value in zip(names, inputs, strict=True)]
        recordings = []
        for _ in range(TIMES):
            computing = Recorder(frozenset(operators), frozenset(), "forward")
            for tensor in (*(value for value in inputs if isinstance(value, Tensor)), *weights.values()):
                computing.argument(tensor)
            with computing:
                result = model(*inputs)
            recordings.append(computing.nodes)
        _require_equal(recordings, "forward")
    outputs = list(result) if isinstance(result, tuple | list) else [result]
    for place, output in enumerate(outputs):
        if not isinstance(output, Tensor):
            raise RefusedError(f"forward returns a {type(output).__name__} as output {place}, not a tensor")
    described: list[Any] = []
    for name, value in zip(names, inputs, strict=True):
        if isinstance(value, Tensor):
            described.append({"name": name, "value": drawing.number(value), **form(value)})
        elif type(value) in (int, float):
            described.append({"name": name, "scalar": value})
        else:
            raise RefusedError(f"get_inputs gives a {type(value).__name__} for {name!r}, neither tensor nor number")
    return {
        "inputs": described,
        "weights": [{"name": name, **form(tensor)} for name, tensor in weights.items()],
        "drawing": drawing.nodes,
        "computing": computing.nodes,
        "outputs": [computing.number(output) for output in outputs],
    }


def _constant(tensor: Tensor) -> float | None:
    if not tensor.numel() or not tensor.is_floating_point():
        return None
    first = float(tensor.flatten()[0])
    return first if bool((tensor == first).all()) else None


def sample(source: str, sizes: Mapping[str, int], seed: int) -> list[Any]:
    """What ``Model`` really gives: facts of its weights, then inputs, weights and outputs in float64 as arrays."""
    module = load(source, sizes)
    torch.manual_seed(seed)
    with torch.no_grad():
        model = make_model(module)
        weights = weights_of(model)
        facts = [
            {"name": name, "constant": _constant(it), "spread": float(it.double().std()) if it.numel() > 1 else 1.0}
            for name, it in weights.items()
        ]
        inputs = list(module.get_inputs())
        model = model.double()
        exact = [it.double() if isinstance(it, Tensor) and it.is_floating_point() else it for it in inputs]
        kept = [tensor.clone() for tensor in weights_of(model).values()]
        result = model(*pytree.tree_map_only(Tensor, torch.clone, exact))
    outputs = list(result) if isinstance(result, tuple | list) else [result]
    arrays = [it for it in exact if isinstance(it, Tensor)] + kept + outputs
    return [{"weights": facts}, *(it.detach().contiguous().numpy() for it in arrays)]


WARM_UP = """
import torch

class Model(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
        self.linear = torch.nn.Linear(width, width)

    def forward(self, x, y):
        return torch.nn.functional.gelu(torch.einsum("ij,jk->ik", self.linear(x), y)).softmax(-1).tril().mean() * 2

def get_inputs():
    return [torch.rand(16, 16), (torch.randn(16, 16) + torch.randint(0, 2, (16,)).float()).softmax(-1)]

def get_init_inputs():
    return [16]
"""


def warm_up() -> None:
    """Have torch import now what it would import in every guest."""
    used = "permute view _unsafe_view mm bmm addmm t unsqueeze gelu _softmax tril mean mul add _to_copy detach"
    trace(WARM_UP, {}, used.split(), ["rand", "randn", "randint"])


def answer(task: str, **arguments: Any) -> Any:
    """Do one task, or say in one line why it cannot be done."""
    try:
        tasks: dict[str, Callable[..., Any]] = {"sizes": sizes_of, "trace": trace, "sample": sample}
        return tasks[task](**arguments)
    except RefusedError as refused:
        return {"refused": str(refused)}
    except Exception as error:  # noqa: BLE001 - whatever the file raises is what is wrong with it
        return {"refused": f"the file raises {type(error).__name__}: {error}"[:REASON_CHARACTERS]}
