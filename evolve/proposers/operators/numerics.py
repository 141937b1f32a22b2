"""Rules for kinds of values: how operators, indices and NumPy calls carry element types and shapes along."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

FLOAT, INT, BOOL = "float", "int", "bool"
Shape = tuple[str, ...]
LONGEST_NAME = 200
MOST_DIMENSIONS = 8
"""A size with a longer name, and a shape with more dimensions, count as unknown: else a program could double them
with every line."""

_MOST_NODES = 300

_ORDER = {BOOL: 0, INT: 1, FLOAT: 2}
_TO_FLOAT = frozenset({"sqrt", "exp", "expm1", "log", "log1p", "log2", "tanh", "softmax", "true_divide", "reciprocal"})
_KEEP = frozenset(
    {
        "abs",
        "absolute",
        "clip",
        "copy",
        "sort",
        "cumsum",
        "floor",
        "ceil",
        "round",
        "rint",
        "square",
        "negative",
        "flip",
    }
    | {"roll", "asarray", "array", "ascontiguousarray", "astype", "power", "nan_to_num", "diff", "partition"}
)
_LIKE = frozenset({"zeros_like", "ones_like", "empty_like", "full_like"})
_TOGETHER = frozenset({"maximum", "minimum", "add", "subtract", "multiply", "fmax", "fmin", "hypot", "where"})
_REDUCE = {
    **dict.fromkeys(("mean", "std", "var", "median", "percentile", "quantile", "average", "nanmean"), FLOAT),
    **dict.fromkeys(("sum", "max", "min", "prod", "amax", "amin", "ptp"), ""),
    **dict.fromkeys(("any", "all"), BOOL),
    **dict.fromkeys(("argmax", "argmin", "count_nonzero"), INT),
}
_ELEMENTWISE = {
    **dict.fromkeys(_TO_FLOAT, FLOAT),
    **dict.fromkeys(("argsort", "argpartition"), INT),
    **dict.fromkeys(_KEEP | _LIKE, ""),
}
_PAIRS = frozenset({"divmod", "unravel_index", "nonzero"})
_CREATE = {"zeros": FLOAT, "ones": FLOAT, "empty": FLOAT, "full": "", "arange": INT, "linspace": FLOAT}
_INDICES = frozenset({"flatnonzero", "searchsorted", "lexsort", "bincount"})
_SAME_DTYPE = frozenset({"reshape", "ravel", "flatten", "tile", "repeat", "concatenate", "stack", "take", "transpose"})


@dataclass(frozen=True, slots=True)
class Kind:
    """What is known of a value.

    Args:
        dtype: ``"float"``, ``"int"`` or ``"bool"``; empty where it is not known.
        shape: its dimensions by name, ``()`` for a scalar; None where it is not known.
        symbol: for a scalar integer, the name of the size that it is; a name that is too long is dropped.
    """

    dtype: str = ""
    shape: Shape | None = None
    symbol: str = ""

    def __post_init__(self) -> None:
        if len(self.symbol) > LONGEST_NAME:
            object.__setattr__(self, "symbol", "")
        shape = self.shape or ()
        if len(shape) > MOST_DIMENSIONS or any(len(name) > LONGEST_NAME for name in shape):
            object.__setattr__(self, "shape", None)

    def like(self, other: Kind) -> bool:
        """Whether both are known to have one element type and one shape."""
        return bool(self.dtype) and self.shape is not None and (self.dtype, self.shape) == (other.dtype, other.shape)

    @property
    def is_float_array(self) -> bool:
        """Whether it is surely an array of floating-point numbers."""
        return self.dtype == FLOAT and self.shape is not None and len(self.shape) > 0


OPEN = Kind()
Value = Kind | tuple[Kind, ...]


def written(node: ast.AST) -> str:
    """A node as a name for a size; what is too big for one is not written out, and its name is dropped."""
    if sum(1 for _ in islice(ast.walk(node), _MOST_NODES + 1)) > _MOST_NODES:
        return "?" * (LONGEST_NAME + 1)
    return ast.unparse(node)


def of_annotation(annotation: ast.expr | None) -> Kind:
    """The kind that an annotation tells; an array's element type and shape stay open."""
    match annotation:
        case ast.Name(id="int"):
            return Kind(INT, ())
        case ast.Name(id="float"):
            return Kind(FLOAT, ())
        case ast.Name(id="bool"):
            return Kind(BOOL, ())
    return OPEN


def broadcast(first: Kind, second: Kind) -> Shape | None:
    """The shape of an element-wise operation; the known one where the other is not known."""
    if first.shape is None or second.shape is None:
        known = first.shape or second.shape
        # A guess: most often both have that shape, unless it was made to be stretched.
        return known if known and "1" not in known else None
    long, short = sorted((first.shape, second.shape), key=len, reverse=True)
    offset = len(long) - len(short)
    merged = []
    for at, size in enumerate(long):
        other = short[at - offset] if at >= offset else "1"
        if size != other and "1" not in (size, other):
            return None
        merged.append(other if size == "1" else size)
    return tuple(merged)


def arithmetic(op: ast.operator, left: Kind, right: Kind, text: str = "") -> Kind:
    """The kind of a binary operation; its text names the size where both sides are scalar integers."""
    shape = broadcast(left, right)
    if isinstance(op, ast.Div):
        return Kind(FLOAT, shape)
    if FLOAT in (left.dtype, right.dtype):
        return Kind(FLOAT, shape)
    if not left.dtype or not right.dtype:
        return Kind("", shape)
    dtype = max(left.dtype, right.dtype, key=_ORDER.__getitem__)
    if isinstance(op, ast.BitAnd | ast.BitOr | ast.BitXor):
        return Kind(dtype, shape)
    return Kind(INT, shape, text if shape == () else "")


def element(kind: Kind) -> Kind:
    """What iterating gives: integers of a range, rows of an array."""
    return Kind(kind.dtype, kind.shape[1:]) if kind.shape else OPEN


def item(whole: Kind, indices: Sequence[Kind | None], is_new: Sequence[bool], texts: Sequence[str]) -> Kind:
    """The kind of ``array[indices]``; None among the indices is a slice, `texts` are as written."""
    if whole.shape is None or len(indices) - sum(is_new) > len(whole.shape):
        return Kind(whole.dtype)
    left = list(whole.shape)
    shape: list[str] = []
    gathered: Shape = ()
    at: int | None = None
    for index, new, text in zip(indices, is_new, texts, strict=True):
        size = "" if new else left.pop(0)
        if new:
            shape.append("1")
        elif index is None:
            shape.append(size if text == ":" else f"{size}[{text}]")
        elif index.dtype == BOOL and index.shape is not None and len(index.shape) == 1:
            shape.append(f"{size}[{text}]")
        else:
            joined = None if index.dtype == BOOL else broadcast(Kind(INT, gathered), index)
            if joined is None or index.shape is None:
                return Kind(whole.dtype)
            # What is gathered by integer arrays stands where the first of them stood.
            at = len(shape) if at is None and joined else at
            gathered = joined
    shape[at if at is not None else 0 : at if at is not None else 0] = gathered
    return Kind(whole.dtype, (*shape, *left))


def of_builtin(name: str, arguments: Sequence[Value], text: str) -> Kind:
    """The kind that a builtin returns."""
    if name in ("int", "len"):
        return Kind(INT, (), text)
    if name == "float":
        return Kind(FLOAT, ())
    if name == "bool":
        return Kind(BOOL, ())
    if name == "range":
        return Kind(INT, ("range",))
    singles = [argument for argument in arguments if isinstance(argument, Kind)]
    if name in ("min", "max", "abs", "round") and singles and all(kind.shape == () for kind in singles):
        dtypes = [kind.dtype for kind in singles]
        return Kind(max(dtypes, key=_ORDER.__getitem__), ()) if all(dtypes) else Kind("", ())
    return OPEN


def of_call(
    name: str, node: ast.Call, arguments: Sequence[Value], named: Mapping[str, Value], *, is_method: bool = False
) -> Value:
    """The kind that a NumPy function returns, or a method whose receiver is the first argument."""
    first = arguments[0] if arguments else OPEN
    kind = first if isinstance(first, Kind) else _packed(first)
    dtype = _dtype_of(node)
    if name in _ELEMENTWISE:
        return Kind(_ELEMENTWISE[name] or dtype or kind.dtype, kind.shape)
    if name in _TOGETHER:
        return _together(name, kind, arguments)
    if name in _REDUCE:
        return _reduced(kind, node, _REDUCE[name] or (INT if kind.dtype == BOOL else kind.dtype), is_method=is_method)
    if name in _CREATE and not is_method:
        return _created(name, node, arguments, dtype)
    if name == "take_along_axis" and len(arguments) > 1 and isinstance(arguments[1], Kind):
        return Kind(kind.dtype, arguments[1].shape)
    if name in _PAIRS:
        return (Kind(INT, kind.shape), Kind(INT, kind.shape))
    if name in _INDICES:
        return Kind(FLOAT if "weights" in named else INT, (f"{name}({written(node)})",))
    return _moved(name, kind, node, arguments) if name in _SAME_DTYPE else Kind(dtype, () if dtype else None)


def _together(name: str, kind: Kind, arguments: Sequence[Value]) -> Kind:
    pair = [each if isinstance(each, Kind) else OPEN for each in arguments[-2:]]
    if len(pair) < 2:
        return OPEN
    joined = arithmetic(ast.Add(), pair[0], pair[1])
    return Kind(joined.dtype, broadcast(kind, joined) if name == "where" else joined.shape)


def _packed(items: tuple[Kind, ...]) -> Kind:
    return replace(items[0], shape=None, symbol="") if items else OPEN


def _dtype_of(node: ast.Call) -> str:
    hints = [keyword.value for keyword in node.keywords if keyword.arg == "dtype"]
    if isinstance(node.func, ast.Attribute) and node.func.attr in ("astype", "float64", "float32", "int64", "int32"):
        hints += node.args[:1] if node.func.attr == "astype" else [node.func]
    for hint in hints:
        text = written(hint)
        for dtype in (FLOAT, INT, BOOL):
            if dtype in text:
                return dtype
    return ""


def _reduced(kind: Kind, node: ast.Call, dtype: str, *, is_method: bool) -> Kind:
    axes = [keyword.value for keyword in node.keywords if keyword.arg == "axis"]
    axes += node.args[0:1] if is_method else node.args[1:2]
    if not axes:
        return Kind(dtype, ())
    keeps = any(keyword.arg == "keepdims" for keyword in node.keywords)
    axis = _integer(axes[0])
    if kind.shape is None or axis is None or not -len(kind.shape) <= axis < len(kind.shape):
        return Kind(dtype)
    axis %= len(kind.shape)
    return Kind(dtype, (*kind.shape[:axis], *(("1",) if keeps else ()), *kind.shape[axis + 1 :]))


def _integer(node: ast.expr) -> int | None:
    match node:
        case ast.Constant(value=int() as value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() as value)):
            return -value
    return None


def _created(name: str, node: ast.Call, arguments: Sequence[Value], dtype: str) -> Kind:
    if not arguments:
        return OPEN
    if name == "arange":
        return Kind(dtype or INT, (_size(arguments[0], node.args[0]),) if len(arguments) == 1 else (written(node),))
    if name == "linspace":
        return Kind(FLOAT, (written(node),))
    if name == "full" and len(arguments) > 1 and isinstance(arguments[1], Kind):
        dtype = dtype or arguments[1].dtype
    size = arguments[0]
    dtype = dtype or _CREATE[name]
    if isinstance(size, tuple):
        texts = node.args[0].elts if isinstance(node.args[0], ast.Tuple) else [node.args[0]] * len(size)
        return Kind(dtype, tuple(_size(each, text) for each, text in zip(size, texts, strict=True)))
    return Kind(dtype, (_size(size, node.args[0]),)) if size.shape == () else Kind(dtype)


def _size(value: Value, node: ast.expr) -> str:
    return value.symbol if isinstance(value, Kind) and value.symbol else written(node)


def _moved(name: str, kind: Kind, node: ast.Call, arguments: Sequence[Value]) -> Kind:
    """Reshaped, repeated and joined arrays keep their element type; a size that has no name is named by the text."""
    if name == "reshape":
        sizes = list(arguments[1:])
        if len(sizes) == 1 and isinstance(sizes[0], tuple):
            sizes = list(sizes[0])
        names = [each.symbol if isinstance(each, Kind) else "" for each in sizes]
        if names and all(names):
            return Kind(kind.dtype, tuple(f"rest of {written(node)}" if each == "-1" else each for each in names))
    if name in ("ravel", "flatten") and kind.shape is not None:
        return Kind(kind.dtype, ("*".join(kind.shape),))
    if name == "tile" and kind.shape is not None and len(arguments) > 1 and isinstance(arguments[1], tuple):
        times = [each.symbol for each in arguments[1]]
        if len(times) == len(kind.shape) + 1 and all(each == "1" for each in times[1:]) and times[0]:
            return Kind(kind.dtype, (times[0], *kind.shape))
    if name == "concatenate":
        parts = arguments[0] if arguments and isinstance(arguments[0], tuple) else ()
        known = next((part.shape for part in parts if part.shape is not None), None)
        axis = next((written(keyword.value) for keyword in node.keywords if keyword.arg == "axis"), "0")
        if known is not None and axis.isdigit() and int(axis) < len(known):
            at = int(axis)
            return Kind(kind.dtype, (*known[:at], f"joined {written(node)}", *known[at + 1 :]))
    return Kind(kind.dtype)
