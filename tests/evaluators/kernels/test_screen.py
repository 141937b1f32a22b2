from __future__ import annotations

import ast
import sys

import pytest

from evaluators.kernels import screen_names
from evaluators.kernels.screen import screen_kernel

MODULE = """
import math
import torch
import triton
import triton.language as tl
from triton.language.extra import libdevice

BLOCK = 128  # tune: choice 64 128 256
SIZES = {{64: 4, 128: 8}}
NESTED = {{"small": {{"BLOCK": 64}}}}
{top}

@triton.jit
def helper(x):
    return x + 1


@triton.jit
def kernel(x_ptr, out_ptr, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    x = tl.load(x_ptr + at, mask=at < n)
    {device}
    tl.store(out_ptr + at, helper(x), mask=at < n)


def compute(n):
    return triton.cdiv(n, BLOCK)


def entry(x):
    n = x.numel()
    out = torch.empty_like(x)
    {host}
    kernel[(compute(n),)](x, out, n, BLOCK=BLOCK)
    return out
"""


def look(*, top: str = "", device: str = "pass", host: str = "pass") -> str | None:
    source = MODULE.format(top=top, device=device.replace("\n", "\n    "), host=host.replace("\n", "\n    "))
    return screen_kernel(ast.parse(source), entry="entry")


def test_the_module_itself_passes() -> None:
    assert look() is None


DEVICE_REFUSED = [
    ("y = tl.inline_asm_elementwise('mov.u32 $0, %clock;', '=r', [x], tl.int32, True, 1)", "inline PTX"),
    ("y = tl.extra.cuda.globaltimer()", "ask for the time"),
    ("y = tl.extra.cuda.smid()", "where it runs"),
    ("tl.extra.cuda.gdc_wait()", "not replayed"),
    ("tl.device_print('x', x)", "leave out prints"),
    ("tl.static_print(x)", "leave out prints"),
    ("tl.device_assert(x > 0)", "leave out prints"),
    ("print(x)", "Python's 'print'"),
    ("y = tl.core.tensor", "triton.language.core.tensor"),
    ("y = tl.semantic", "triton.language.semantic"),
    ("y = tl.extra.libdevice.core", "triton.language.extra.libdevice.core"),
    ("y = libdevice.core.sys", "triton.language.extra.libdevice.core.sys"),
    ("y = tl.math.core", "triton.language.math.core"),
    ("y = tl", "uses triton.language in a kernel"),
    ("y = x.handle", "'handle'"),
    ("y = x.handle.data", "'data'"),
    ("y = x.__class__", "'__class__'"),
    ("y = tl.load.__globals__", "'__globals__'"),
    ("y = tl.load.fn", "'fn'"),
    ("y = helper.fn(x)", "'fn'"),
    ("y = helper.src", "'src'"),
    ("y = getattr(x, 'handle')", "Python's 'getattr'"),
    ("y = isinstance(x, int)", "Python's 'isinstance'"),
    ("y = type(x)", "Python's 'type'"),
    ("y = open('/etc/passwd')", "Python's 'open'"),
    ("y = __import__('os')", "Python's '__import__'"),
    ("y = eval('1')", "Python's 'eval'"),
    ("y = hasattr(x, 'handle')", "Python's 'hasattr'"),
    ("y = compute(n)", "calls the host function 'compute'"),
    ("y = torch.softmax(x)", "torch.softmax"),
    ("y = math.sin(1.0)", "math.sin"),
    ("y = lambda a: a", "a lambda in a kernel"),
    ("import os", "imports within a function"),
    ("def inner(a):\n    return a", "a function in a kernel"),
    ("class A:\n    pass", "defines a class"),
    ("with tl.async_task([0]):\n    pass", "uses with"),
    ("try:\n    y = x\nexcept Exception:\n    pass", "catches exceptions"),
    ("raise ValueError('x')", "raises in a kernel"),
    ("y = {k: 1 for k in (1, 2)}", "the syntax DictComp"),
    ("y = {'a': x}", "the syntax Dict"),
    ("y = {1, 2}", "the syntax Set"),
    ("y = sum(a for a in (1, 2))", "Python's 'sum'"),
    ("x[0] = 1", "assigns to a part of a tensor"),
    ("x.cache = 1", "sets the attribute 'cache'"),
    ("x.data += 1", "sets the attribute 'data'"),
    ("del x", "deletes a name"),
    ("global BLOCK", "changes a module-level name"),
    ("while True:\n    break", "breaks out of a loop"),
    ("for i in range(3):\n    continue", "continues a loop"),
    ("y = yield x", "is a generator"),
    ("y = b'bytes'", "a constant that no kernel needs"),
    ("y = undefined", "is defined nowhere"),
    ("y = triton.runtime.driver", "triton.runtime.driver"),
    ("y = triton.jit(helper)", "triton.jit"),
    ("y = triton.cdiv.fn", "'fn'"),
]


@pytest.mark.parametrize(("line", "reason"), DEVICE_REFUSED)
def test_kernel_bodies(line: str, reason: str) -> None:
    said = look(device=line)
    assert said is not None
    assert reason in said
    assert said.startswith("line ")


HOST_REFUSED = [
    ("y = torch.softmax(x, -1)", "write that as a kernel"),
    ("y = torch.topk(x, 8)", "write that as a kernel"),
    ("y = torch.ops.aten.mm(x, x)", "write that as a kernel"),
    ("y = torch.compile(compute)", "write that as a kernel"),
    ("y = torch.nn.functional.relu(x)", "write that as a kernel"),
    ("torch.cuda.synchronize()", "times and streams"),
    ("s = torch.cuda.Stream()", "times and streams"),
    ("e = torch.cuda.Event()", "times and streams"),
    ("g = torch.cuda.CUDAGraph()", "times and streams"),
    ("torch.manual_seed(0)", "write that as a kernel"),
    ("p = x.data_ptr()", "without data or addresses"),
    ("v = x[0].item()", "without data or addresses"),
    ("v = x.tolist()", "without data or addresses"),
    ("v = x.cpu()", "without data or addresses"),
    ("v = x.untyped_storage()", "without data or addresses"),
    ("v = x.softmax(-1)", "belongs into a kernel"),
    ("v = x.to(torch.float32)", "belongs into a kernel"),
    ("v = x.float()", "belongs into a kernel"),
    ("x.apply_(compute)", "'apply_'"),
    ("x.register_hook(compute)", "'register_hook'"),
    ("v = x.__class__", "'__class__'"),
    ("v = x.grad_fn", "'grad_fn'"),
    ("v = compute.__globals__", "'__globals__'"),
    ("v = compute.__code__", "'__code__'"),
    ("v = kernel.fn", "of a kernel"),
    ("kernel.run(x, grid=(1,), warmup=False)", "of a kernel"),
    ("kernel.warmup(x, grid=(1,))", "of a kernel"),
    ("v = kernel.device_caches", "of a kernel"),
    ("v = kernel.src", "'src'"),
    ("v = getattr(x, 'data')", "Python's 'getattr'"),
    ("setattr(x, 'a', 1)", "Python's 'setattr'"),
    ("v = type('T', (), {})", "Python's 'type'"),
    ("v = id(x)", "Python's 'id'"),
    ("v = hash(x)", "Python's 'hash'"),
    ("v = open('f')", "Python's 'open'"),
    ("v = vars(x)", "Python's 'vars'"),
    ("v = globals()", "Python's 'globals'"),
    ("v = super()", "Python's 'super'"),
    ("v = __builtins__", "is defined nowhere"),
    ("print(n)", "Python's 'print'"),
    ("v = triton.runtime.driver.active", "triton.runtime.driver.active"),
    ("v = triton.testing.do_bench(compute)", "triton.testing.do_bench"),
    ("v = triton.compile(kernel)", "triton.compile"),
    ("v = triton.knobs", "triton.knobs"),
    ("v = tl.sum(x)", "triton.language.sum"),
    ("v = torch", "uses torch in host code"),
    ("import os", "imports within a function"),
    ("from torch import softmax", "imports within a function"),
    ("try:\n    n = 1\nexcept Exception:\n    pass", "catches exceptions"),
    ("with open('f') as f:\n    pass", "uses with for something other"),
    ("with torch.no_grad():\n    pass", "uses with for something other"),
    ("class A:\n    pass", "defines a class"),
    ("global BLOCK\nBLOCK = 1", "changes a module-level name"),
    ("async def f():\n    pass", "is asynchronous"),
    ("del out", "deletes a name"),
    ("@triton.jit\ndef inner(p):\n    pass", "decorates a function within a function"),
    ("match n:\n    case 1:\n        pass", "the syntax Match"),
    ("entry.cache = 1", "sets the attribute 'cache'"),
    ("SIZES[n] = 1", "belongs to the module"),
    ("SIZES.update({1: 2})", "belongs to the module"),
    ("SIZES.setdefault(n, 1)", "belongs to the module"),
    ("sizes = SIZES\nsizes[n] = 1", "belongs to the module"),
    ("c = NESTED['small']\nc['BLOCK'] = 1", "belongs to the module"),
    ("for c in NESTED.values():\n    c['BLOCK'] += 1", "belongs to the module"),
    ("c = NESTED.get('small') or {}\nd = c\nd.update({})", "belongs to the module"),
    ("(c := SIZES).pop(64)", "belongs to the module"),
    ("tl = 3", "gives the imported name 'tl' another meaning"),
    ("f = lambda torch: torch", "gives the imported name 'torch' another meaning"),
    ("y = [tl for tl in (1, 2)]", "gives the imported name 'tl' another meaning"),
    ("kernel[(1,)](x, out, n, BLOCK=64, ptx_options='-v')", "the compiler's own business"),
    ("kernel[(1,)](x, out, n, BLOCK=64, ir_override='f')", "the compiler's own business"),
    ("kernel[(1,)](x, out, n, BLOCK=64, extern_libs={})", "the compiler's own business"),
    ("kernel[(1,)](x, out, n, BLOCK=64, launch_pdl=True)", "the compiler's own business"),
    ("kernel[(1,)](x, out, n, BLOCK=64, sneaky=True)", "neither a parameter of the kernel nor an option"),
    ("options = dict(ir_override='f')", "the compiler's own business"),
    ("options = {'ir_override': 'f'}", "the compiler's own business"),
    ("n = 'a'.format(x)", "'format'"),
    ("n = undefined", "is defined nowhere"),
    ("[lambda: (open := 1) for _ in ()]; n = open", "Python's 'open'"),
    ("(open): int; n = open", "Python's 'open'"),
    ("getattr = 1; n = getattr", "even as a variable"),
    ("f = torch.empty_like.__wrapped__", "'__wrapped__'"),
]


@pytest.mark.parametrize(("line", "reason"), HOST_REFUSED)
def test_host_code(line: str, reason: str) -> None:
    said = look(host=line)
    assert said is not None
    assert reason in said
    assert said.startswith("line ")


TOP_REFUSED = [
    ("import os", "imports 'os'"),
    ("import numpy as np", "only torch, triton, triton.language, math"),
    ("from torch import *", "imports 'torch.*'"),
    ("from triton.language import *", "imports 'triton.language.*'"),
    ("from triton.language import inline_asm_elementwise as add", "inline PTX"),
    ("from triton.language.core import tensor", "triton.language.core.tensor"),
    ("from triton import runtime", "triton.runtime"),
    ("import triton.runtime.jit as tl2", "triton.runtime.jit"),
    ("import torch.utils.cpp_extension", "torch.utils.cpp_extension"),
    ("from triton.language.extra.cuda import globaltimer", "ask for the time"),
    ("from .other import thing", "other"),
    ("x = torch.zeros(4, device='cuda')", "allocates a tensor when the module is loaded"),
    ("kernel[(1,)](None, None, 0, BLOCK=1)", "does more at module level"),
    ("y = kernel[(1,)](None, None, 0, BLOCK=1)", "launches when the module is loaded"),
    ("for i in range(3):\n    pass", "does more at module level"),
    ("if __name__ == '__main__':\n    pass", "has a branch at module level"),
    ("try:\n    import torch as t\nexcept ImportError:\n    pass", "catches exceptions when it is loaded"),
    ("class A:\n    pass", "does more at module level"),
    ("triton.cdiv = 3", "does more at module level"),
    ("SIZES[1] = 2", "does more at module level"),
    ("a, SIZES[0] = 1, 2", "does more at module level"),
    ("from typing import get_type_hints", "typing.get_type_hints"),
    ("R = triton.runtime.driver.active", "triton.runtime.driver.active"),
    ("R = triton.runtime.driver.set_active(None)", "triton.runtime.driver.set_active"),
    ("tl = 3", "gives the imported name 'tl' another meaning"),
    ("kernel = 3", "which is a function"),
    ("def kernel(x):\n    pass", "a second time"),
    ("def f(cache={}):\n    return cache", "a default that calls could change"),
    ("def f(cache=[1]):\n    return cache", "a default that calls could change"),
    ("def f(*, cache=dict()):\n    return cache", "a default that calls could change"),
    ("F = lambda n, cache=[]: cache", "a default that calls could change"),
    ("COUNTER = iter(range(9))", "used up"),
    ("PAIRS = (i for i in range(9))", "used up"),
    ("@torch.compile\ndef f(x):\n    return x", "a decorator other than"),
    ("@triton.autotune(configs=[], key=[])\n@triton.jit\ndef f(x):\n    pass", "# tune:"),
    ("@triton.jit(debug=True)\ndef f(x):\n    pass", "the option 'debug'"),
    ("@triton.jit(repr=lambda x: 'name')\ndef f(x):\n    pass", "the option 'repr'"),
    ("@triton.constexpr_function\ndef f(x):\n    return x", "a decorator other than"),
    ("@triton.heuristics({})\ndef f(x):\n    return x", "a decorator other than"),
    ("@triton.jit\ndef f(x, ptx_options):\n    pass", "means something to Triton"),
    ("@triton.jit\ndef f(*x: open('f')):\n    pass", "Python's 'open'"),
    ("@triton.jit\ndef f(**x: open('f')):\n    pass", "Python's 'open'"),
    ("@triton.jit\ndef f(x=open('f')):\n    pass", "Python's 'open'"),
    (
        "@triton.heuristics({'A': lambda a: open('f')})\n@triton.jit\ndef f(A: tl.constexpr):\n    pass",
        "Python's 'open'",
    ),
    ("assert False, open('f')", "Python's 'open'"),
    ("LIMIT = eval('3')", "Python's 'eval'"),
    ("def f(n: open('f')):\n    return n", "Python's 'open'"),
    ("def f(n):\n    return torch.LongTensor([n])", "torch.LongTensor"),
    ("async def f():\n    pass", "does more at module level"),
]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="type parameters came with Python 3.12")
def test_type_parameters() -> None:
    assert "type parameters" in str(look(top="def f[T: open('f')](x):\n    return x"))


@pytest.mark.parametrize(("text", "reason"), TOP_REFUSED)
def test_module_level(text: str, reason: str) -> None:
    said = look(top=text)
    assert said is not None
    assert reason in said


TOP_ALLOWED = [
    "BM, BN = 64, 128",
    "A = B = 3",
    "SCALE: tl.constexpr = tl.constexpr(1.0 / math.log(2.0))",
    "LOG2E = tl.constexpr(math.log2(math.e))",
    "NEG = float('-inf')",
    "DEVICE = triton.runtime.driver.active.get_active_torch_device()",
    "SMEM = triton.runtime.driver.active.utils.get_device_properties(0)['max_shared_mem']",
    "def is_cuda():\n    return triton.runtime.driver.active.get_current_target().backend == 'cuda'",
    "SMS = torch.cuda.get_device_properties('cuda').multi_processor_count",
    "from typing import Optional, Tuple\ndef f(n: Optional[int] = None) -> Tuple[int, ...]:\n    return (n or 1,)",
    "import typing as t\ndef f(n: t.Optional[int] = None):\n    return n",
    "def f(n: torch.LongTensor | None = None) -> 'torch.Tensor':\n    return n",
    "TABLE = tuple(2**i for i in range(8))",
    "@triton.jit(noinline=True)\ndef f(x, dtype: tl.constexpr = tl.float32):\n    return x.to(dtype)",
    "@triton.heuristics(values={'A': lambda a: a['n'] % 8 == 0})\n@triton.jit\ndef f(n, A: tl.constexpr):\n    pass",
    "assert BLOCK % 16 == 0",
]


@pytest.mark.parametrize("text", TOP_ALLOWED)
def test_honest_module_level(text: str) -> None:
    assert look(top=text) is None


HOST_ALLOWED = [
    "sizes = dict(SIZES)\nsizes[n] = 1",
    "c = NESTED['small'].copy()\nc['BLOCK'] = 1",
    "local = []\nlocal.append(n)\nlocal[0] = 2",
    "SIZES.get(n, 4)",
    "total = sum(SIZES.values()) + max(SIZES)",
    "out = out.view(-1).reshape(n)[:n].unsqueeze(0).expand(2, n).transpose(0, 1)",
    "out.zero_()\nout.fill_(float('-inf'))",
    "flags = x.new_zeros((4,), dtype=torch.int32)",
    "major, minor = torch.cuda.get_device_capability()",
    "stream = torch.cuda.current_stream().cuda_stream",
    "name = torch.cuda.get_device_properties(x.device).name.lower()",
    "if x.dtype is torch.bfloat16 and x.stride(-1) == 1:\n    n = x.shape[0]",
    "if not isinstance(x, torch.Tensor):\n    raise TypeError(f'{x!r:>10} is no tensor')",
    "n = math.ceil(math.log2(max(n, 1))) if n else 0",
    "config = triton.Config({'BLOCK': 64}, num_warps=4)\noptions = config.kwargs",
    "f = kernel if n > 10 else kernel\nf[(1,)](x, out, n, BLOCK=64, num_warps=8, num_stages=1, maxnreg=64)",
    "kernel[lambda META: (triton.cdiv(n, META['BLOCK']),)](x, out, n, **{'BLOCK': 64})",
    "rows = [i for i in range(4) if i % 2]\npairs = {i: i for i in rows}",
    "while n > 4:\n    n //= 2\n    if n == 5:\n        break",
    "type_name = out.dtype\nid_count = 3",
]


@pytest.mark.parametrize("line", HOST_ALLOWED)
def test_honest_host_code(line: str) -> None:
    assert look(host=line) is None


DEVICE_ALLOWED = [
    "y = tl.exp(x) + libdevice.tanh(x) + tl.math.exp2(x) + tl.extra.cuda.libdevice.erf(x)",
    "y = x.to(tl.float32).trans(1, 0).reshape([BLOCK])",
    "y = tl.where(x == float('inf'), float('-inf'), math.pi)",
    "for i in tl.range(0, 4, num_stages=2):\n    x += i",
    "for i in tl.static_range(4):\n    x += i",
    "while n > 0:\n    n -= 1",
    "if x.dtype.is_fp16():\n    x = x.to(tl.float32)",
    "a, b = tl.split(x)\nc = tl.join(a, b)",
    "tl.debug_barrier()\nold = tl.atomic_add(x_ptr, 1, sem='relaxed')",
    "y: tl.constexpr = BLOCK // 2",
    "tl.static_assert(BLOCK >= 16, 'too small')\nassert BLOCK > 1",
    "y = tl.reduce(x, 0, helper)",
    "y = [a + 1 for a in (1, 2)]",
    "y = triton.next_power_of_2(BLOCK) + triton.cdiv(BLOCK, 2) + tl.cdiv(n, 2)",
    "m = tl.maximum(x, 0, propagate_nan=tl.PropagateNan.ALL)",
    "y = x.dtype.element_ty.primitive_bitwidth + tl.float32.primitive_bitwidth",
    "id = tl.program_id(1)\ntype = id",
    "d = tl.make_tensor_descriptor(x_ptr, [n], [1], [BLOCK])\nd.store([0], d.load([0]))",
    "y = min(n, BLOCK) + max(1, n) + len((1, 2)) + int(3.0)",
    "y = x.to(tl.core.get_int_dtype(bitwidth=32, signed=True), bitcast=True)",
    "return",
]


@pytest.mark.parametrize("line", DEVICE_ALLOWED)
def test_honest_kernel_code(line: str) -> None:
    assert look(device=line) is None


def test_the_entry_must_be_a_host_function() -> None:
    source = "import triton\n\n@triton.jit\ndef entry(x):\n    pass\n"
    assert "must be a plain function" in (screen_kernel(ast.parse(source), entry="entry") or "")
    assert "must be a plain function" in (screen_kernel(ast.parse("import torch\n"), entry="entry") or "")


def test_a_module_without_kernels_is_no_candidate() -> None:
    source = "import torch\n\ndef entry(x):\n    return torch.empty_like(x)\n"
    assert "defines no @triton.jit function" in (screen_kernel(ast.parse(source), entry="entry") or "")


@pytest.mark.parametrize(
    "style", ["import triton as T", "from triton import jit as J", "from triton import language as L"]
)
def test_aliases_are_followed(style: str) -> None:
    decorator = {"T": "T.jit", "J": "J"}.get(style[-1], "triton.jit")
    imports = f"import triton\nimport triton.language as tl\n{style}\n"
    source = f"{imports}@{decorator}\ndef k(p):\n    {{}}\ndef entry(x):\n    k[(1,)](x)\n"
    assert screen_kernel(ast.parse(source.format("tl.store(p, 1)")), entry="entry") is None
    assert "Python's 'open'" in (screen_kernel(ast.parse(source.format("open('f')")), entry="entry") or "")


def test_lists_name_what_triton_has() -> None:
    tl = pytest.importorskip("triton.language", reason="compares with Triton's names")
    known = {path.removeprefix("triton.language.").partition(".")[0] for path in screen_names.DEVICE_PATHS}
    known -= {"math", "triton", "extra"}
    lacking = {name for name in known if not hasattr(tl, name)}
    newer_or_older = {
        "atomic_load",
        "atomic_poll",
        "atomic_store",
        "advance",
        "expect_zero",
        "to_tensor",
        "squeeze",
        "unsqueeze",
        "bitonic_merge",
    }
    assert lacking <= newer_or_older | {"mul", "sub", "add", "float8e4b8", "float8e5b16", "void", "tensor_descriptor"}


def test_lists_leave_out_what_reaches_beyond_a_kernel() -> None:
    banned = (
        "inline_asm",
        "device_print",
        "static_print",
        "device_assert",
        "extern",
        "globaltimer",
        "smid",
        "gdc_",
        "core",
    )
    names = {path.rpartition(".")[2] for path in screen_names.DEVICE_PATHS} | screen_names.DEVICE_MEMBERS
    assert not {name for name in names for word in banned if name.startswith(word)}
    assert not {name for name in screen_names.DEVICE_MEMBERS | screen_names.HOST_MEMBERS if name.startswith("_")}


def test_many_names_for_one_thing_are_followed_at_once() -> None:
    names = [f"a{number}" for number in range(3000)]
    backwards = "; ".join(f"{after} = {before}" for before, after in zip(names[-2::-1], names[:0:-1], strict=True))
    said = look(host=f"{backwards}; a0 = SIZES; a2999[3] = 4")
    assert said is not None
    assert "changes what belongs to the module" in said
