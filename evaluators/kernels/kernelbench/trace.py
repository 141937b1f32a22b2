"""What a file's ``Model`` computes, as values: PyTorch operators in order, checked field by field, and how to run them.

A trace comes from foreign code in a sandbox and is a claim. The judge runs it with operators of PyTorch alone, those of
`operators`; `loading` holds it to what ``Model`` itself gives on real data.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from evaluators.kernels.forms import ITEM_BYTES, Form
from evaluators.kernels.kernelbench.operators import CONVOLUTIONS, DRAWS, OPERATORS, PRODUCTS, SCANS

FLOATS = ("float32", "float16", "bfloat16")
"""Types of floating-point arguments and outputs that are judged."""

OTHERS = ("int64", "int32", "bool", "uint8", "int8", "int16")
"""Types that inputs may have beside."""

MOST_NODES = 400
MOST_AXES = 8


class TraceError(ValueError):
    """A file cannot be judged, and why, in one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One operator.

    Args:
        operator: its name below ``torch.ops.aten``.
        overload: which of them.
        arguments: positional, as JSON values; a tensor is ``{"value": number}``.
        keywords: the others by name.
        results: forms of what it gives.
    """

    operator: str
    overload: str
    arguments: tuple[Any, ...]
    keywords: Mapping[str, Any]
    results: tuple[Form, ...]

    @property
    def reads(self) -> tuple[int, ...]:
        """Numbers of the values that it is given."""
        return tuple(_values([*self.arguments, *self.keywords.values()]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """An argument of ``forward`` that ``get_inputs`` gives.

    Args:
        name: the parameter.
        form: of the tensor; None for a number.
        value: number of the value in `Trace.drawing`, or the number itself.
    """

    name: str
    form: Form | None
    value: int | float


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """A file at some sizes.

    Args:
        inputs: what ``get_inputs`` gives, in the order of ``forward``'s parameters.
        weights: forms of parameters and buffers by their names; those that ``forward`` does not use are left out.
        drawing: how inputs are made, from nothing.
        computing: what ``forward`` does; the first values are the tensors among inputs, then the weights.
        outputs: numbers of the values that ``forward`` returns.
    """

    inputs: tuple[Input, ...]
    weights: Mapping[str, Form]
    drawing: tuple[Node, ...]
    computing: tuple[Node, ...]
    outputs: tuple[int, ...]

    @property
    def tensors(self) -> dict[str, Form]:
        """Forms of all tensor arguments by parameter, inputs first; weights as `parameter_of` names them."""
        taken = {given.name: given.form for given in self.inputs if given.form is not None}
        return taken | {parameter_of(name): form for name, form in self.weights.items()}

    @property
    def scalars(self) -> dict[str, int | float]:
        """Numbers among the inputs."""
        return {given.name: given.value for given in self.inputs if given.form is None}

    @property
    def results(self) -> tuple[Form, ...]:
        """Forms of the outputs."""
        forms = [*self.tensors.values(), *(form for node in self.computing for form in node.results)]
        return tuple(forms[number] for number in self.outputs)

    @property
    def bytes(self) -> int:
        """Bytes of all arguments and outputs."""
        return sum(form.bytes for form in (*self.tensors.values(), *self.results))

    @property
    def most_between_bytes(self) -> int:
        """Bytes of the largest value that an operator gives."""
        return max((form.bytes for node in self.computing for form in node.results), default=0)

    @property
    def operators(self) -> tuple[str, ...]:
        """Names of the operators of ``forward``, each once."""
        return tuple(dict.fromkeys(node.operator for node in self.computing))

    @property
    def depth(self) -> int:
        """How many items the longest sum (or product, or largest) of one output item runs over, at least 1."""
        forms = [*self.tensors.values(), *(form for node in self.computing for form in node.results)]
        return max((_depth(node, [forms[number] for number in node.reads]) for node in self.computing), default=1)

    def run(self, contents: Mapping[str, Tensor], *, exact: bool = False) -> list[Tensor]:
        """Outputs of ``forward``.

        Args:
            contents: a tensor for each of `tensors`.
            exact: in float64 throughout; else in the types of the file, without TF32.
        """
        values = [contents[name] for name in self.tensors]
        if exact:
            values = [value.double() if value.is_floating_point() else value for value in values]
        device = str(values[0].device) if values else "cpu"
        with torch.no_grad(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            for node in self.computing:
                values += _apply(node, values, device, exact=exact)
        return [values[number].contiguous() for number in self.outputs]

    def draw(self, leaf: Callable[[Node, str], Tensor], device: str) -> dict[str, Tensor]:
        """Tensors among the inputs, contiguous.

        Args:
            leaf: draws what a random operator stands for, on the device.
            device: where.
        """
        values: list[Tensor] = []
        with torch.no_grad():
            for node in self.drawing:
                values += [leaf(node, device)] if node.operator in DRAWS else _apply(node, values, device, exact=False)
        return {given.name: values[int(given.value)].contiguous() for given in self.inputs if given.form is not None}


def parameter_of(weight: str) -> str:
    """The candidate's parameter for a weight: its path with underscores."""
    return weight.replace(".", "_")


def read_trace(reply: Mapping[str, Any]) -> Trace:
    """Check a guest's reply and make values of it.

    Raises:
        TraceError: something cannot be judged, or is not in the form of a trace.
    """
    try:
        return _read(reply)
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise TraceError(f"its trace is not in form: {type(error).__name__}: {error}") from error


def _read(reply: Mapping[str, Any]) -> Trace:
    inputs = []
    for given in reply["inputs"]:
        form = _form(given, f"input {given['name']!r}", FLOATS + OTHERS) if "value" in given else None
        inputs.append(Input(name=str(given["name"]), form=form, value=given["value" if form else "scalar"]))
    drawing = _nodes(reply["drawing"], 0, OPERATORS | DRAWS)
    weights = {str(given["name"]): given for given in reply["weights"]}
    first = sum(given.form is not None for given in inputs)
    computing = _nodes(reply["computing"], first + len(weights), OPERATORS)
    outputs = tuple(int(number) for number in reply["outputs"])
    used = {number for node in computing for number in node.reads}
    for place, given in enumerate(given for given in inputs if given.form is not None):
        if place not in used:
            as_it_is = " but to return it as it is: there is nothing to compute" if place in outputs else ""
            raise TraceError(f"forward does not use its input {given.name!r}{as_it_is}")
    kept = {}
    renumbered = {place: place for place in range(first)}
    for place, (name, given) in enumerate(weights.items(), first):
        if place in used:
            kept[name] = _form(given, f"weight {name!r}", FLOATS)
            renumbered[place] = first + len(kept) - 1
    shift = len(weights) - len(kept)
    for number in range(first + len(weights), first + len(weights) + sum(len(node.results) for node in computing)):
        renumbered[number] = number - shift
    if any(number < first + len(weights) for number in outputs):
        raise TraceError("forward returns an argument as it is; there is nothing to compute")
    trace = Trace(
        inputs=tuple(inputs),
        weights=kept,
        drawing=drawing,
        computing=tuple(_renumbered(node, renumbered) for node in computing),
        outputs=tuple(renumbered[number] for number in outputs),
    )
    _check_whole(trace)
    return trace


def _check_whole(trace: Trace) -> None:
    names = [given.name for given in trace.inputs] + [parameter_of(name) for name in trace.weights]
    if len(set(names)) < len(names) or not all(name.isidentifier() for name in names):
        raise TraceError(f"the names {names} of inputs and weights are not different identifiers")
    if not trace.outputs:
        raise TraceError("forward returns nothing")
    for node in trace.computing:
        # What the sandbox saw is not believed: the judge's own tensors must stay as they are.
        match node.arguments:
            case [{"value": number}, *_] if node.operator.endswith("_") and number < len(trace.tensors):
                raise TraceError(f"aten.{node.operator} writes into an argument; change what forward makes alone")
    made = {number: node.operator for node, number in _made(trace)}
    for place, form in enumerate(trace.results):
        if form.dtype not in FLOATS:
            raise TraceError(
                f"output {place} has type {form.dtype}, made by {made[trace.outputs[place]]}: only "
                f"{', '.join(FLOATS)} are judged (indices of equal values may differ between right programs)"
            )


def _made(trace: Trace) -> list[tuple[Node, int]]:
    number, found = len(trace.tensors), []
    for node in trace.computing:
        for _ in node.results:
            found.append((node, number))
            number += 1
    return found


def _form(given: Mapping[str, Any], what: str, legal: Sequence[str]) -> Form:
    dtype, shape = str(given["dtype"]), tuple(int(length) for length in given["shape"])
    if dtype not in legal:
        raise TraceError(f"{what} has type {dtype}; only {', '.join(legal)} are judged")
    if len(shape) > MOST_AXES or any(length < 0 for length in shape):
        raise TraceError(f"{what} has shape {shape}; at most {MOST_AXES} axes are judged")
    return Form(dtype=dtype, shape=shape)


def _nodes(given: Sequence[Mapping[str, Any]], values: int, known: frozenset[str]) -> tuple[Node, ...]:
    if len(given) > MOST_NODES:
        raise TraceError(f"it uses {len(given)} operators; at most {MOST_NODES} are judged")
    nodes = []
    for each in given:
        node = Node(
            operator=str(each["operator"]),
            overload=str(each["overload"]),
            arguments=tuple(each["arguments"]),
            keywords=dict(each["keywords"]),
            results=tuple(_form(form, "an intermediate value", tuple(ITEM_BYTES)) for form in each["results"]),
        )
        if node.operator not in known or any(not 0 <= number < values for number in node.reads):
            raise TraceError(f"its trace is not in form: {node.operator} of {node.reads}")
        values += len(node.results)
        nodes.append(node)
    return tuple(nodes)


def _values(tree: Any) -> list[int]:
    if isinstance(tree, Mapping):
        return [int(tree["value"])] if "value" in tree else []
    return [number for item in tree for number in _values(item)] if isinstance(tree, list | tuple) else []


def _renumbered(node: Node, numbers: Mapping[int, int]) -> Node:
    def change(tree: Any) -> Any:
        if isinstance(tree, Mapping) and "value" in tree:
            return {"value": numbers[int(tree["value"])]}
        return [change(item) for item in tree] if isinstance(tree, list | tuple) else tree

    return Node(
        operator=node.operator,
        overload=node.overload,
        arguments=tuple(change(list(node.arguments))),
        keywords={name: change(value) for name, value in node.keywords.items()},
        results=node.results,
    )


def _apply(node: Node, values: Sequence[Tensor], device: str, *, exact: bool) -> list[Tensor]:
    """Run one operator; the device is that of its tensors, and in float64 no smaller type is made."""

    def value_of(tree: Any) -> Any:
        match tree:
            case {"value": number}:
                return values[number]
            case {"dtype": name}:
                return torch.float64 if exact and name in FLOATS else getattr(torch, name)
            case {"memory_format": name}:
                return getattr(torch, name)
            case {"float": text}:
                return float(text)
            case list():
                return [value_of(item) for item in tree]
        return tree

    function = getattr(getattr(torch.ops.aten, node.operator), node.overload)
    keywords = {name: value_of(value) for name, value in node.keywords.items()}
    if any(argument.name == "device" for argument in function._schema.arguments):
        keywords["device"] = torch.device(device)
        if exact and not node.reads and node.results[0].dtype in FLOATS:
            keywords["dtype"] = torch.float64
    result = function(*map(value_of, node.arguments), **keywords)
    made = [result] if isinstance(result, Tensor) else list(result)
    shapes = [tuple(tensor.shape) for tensor in made]
    if shapes != [form.shape for form in node.results]:
        raise TraceError(f"aten.{node.operator} gives {shapes}, not what was said of it")
    return made


def _depth(node: Node, given: Sequence[Form]) -> int:
    if not given or not node.results:
        return 1
    if node.operator in PRODUCTS:
        return given[0 if node.operator in ("mm", "bmm", "mv", "dot") else 1].shape[-1]
    if node.operator in CONVOLUTIONS:
        return math.prod(given[1].shape[1:])
    if node.operator in SCANS:
        return max(given[0].shape, default=1)
    return max(1, max(form.items for form in given) // max(1, node.results[0].items))
