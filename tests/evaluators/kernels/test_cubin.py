from __future__ import annotations

import base64
import random
import re
import struct
import subprocess
import zlib
from pathlib import Path

import pytest

from evaluators.kernels.cubin import CubinError, Function, read_cubin

# add(x_ptr, y_ptr, out_ptr, n, scale), 1024 items by 4 warps, compiled for sm_90 by Triton 3.6.
ADD = zlib.decompress(
    base64.b64decode(
        "eNrtV81vG0UUf94db9bejddeJ00sVyUfjhQk5FhFAg4cIkSBAxEILqgX42CnrpQ41tpEa7BUu6BAoGrPvSDUE7lzCQfUA0JtxR9Abyji0PYUoQ"
        "hVKLC8+dj1ztouHwLBoSNt3vzmfc5v3m7Gl869+pISiz09AXwo8DX0YDBuWkKaXJ6fPA+r8BzE8a8JMYBiq95qO+3KOs582dkKyXKr3qi6UGzs"
        "FC82Nrah2K657WKlWg2WAtCqV5xaNQqdWqvm7OCkBMVqbf3dC+UNp7JVA1RsDi1U5BWM8k5lc/OCU2nWGWo62+3tdqcpdNuNVrvSaJdYzj8z/s"
        "Xt+vt8c6u2Vdze2GjV2qUxPJTLjZ1yYL92bq3M7culcmXzYqX1jxLl1/eXyDqLjwqJofW38JkPYSLkR/jMfZ4csv+CxSFD69+z9Ymh9WN87HQo"
        "r8bFQ2ZvDNl7OAqhOR2Yr0ulZfZ7vWXQvX5vWWdTbvPUuE2LXOQVfC+4L/ErJys6U5+h84zumwKxQ/NnCXv3yIwpwmHG4/kAx2FOwgROAxxlAq"
        "zCrIQVSEv2MdAlzAmbB/V19M17QE7rkI4DlPAhaZPVEhOPmisBSeqM8bSC82cIjRbwRuVvQv4q5AnKF4PvSkCPNC6/H/OAHjsNtpCCXEec3RI+"
        "jRTqiQcf4pza3EjBwXsY5RNhf2ghRoYvCz3iXEcEpk32gPorHuwK/YIFBTeRoO3kwdUJuLMCtmskLrEGQfzjNUi7CeipAIkfPMQW6sGgPHgnVx"
        "k2u5Cg+2iuHxlcrxmUoJAeuP4Xg9ZTcICRwfIdMr3G9Q+ZfsnVErRHiEL1r4Hq2l7MJ+cbC+JuWpCMqyyfbvT8fIcWKTjTUnzbTRqUbF/f3wON"
        "9WDujAk3dJrfCOpH/ZJLjEF+i9iuafSUwX5UNyvVY7tTBjaarycYT+fxfvb3w+IpPF4G9UmuPzYEPybHPzH7/l6aBPXdSyGeHtR7mALTAZvur/"
        "nGkcrjK4lQfBpvisc7MThfKYkv1T01qJ+dhy7xFXfNgT3TJyU967dPB/1WcHKSvn9gYf0ar5f2l5Mf6L+l+8soA/4Vup9seD8FZypSjx2pZ0bO"
        "d1fHfAqPV0d8O4mYBPlZv38s+n2jCP39FGFvKtUvo/31ScTJAb5vIjYFVjF+TpPj57UgPrU/mNKC/VK8P6PJ8W1Njp/VgvgL9PzIoD9urcjnec"
        "uCxe70ND3PNGX8zjXY3QMyTfszhx+kQ5XydyrM32I3kxHfFZ2+P4vdXE7jx4XYUha7+bzG6aA4tti1WL9YHKP9zAzFqQBP2hRPBjibpdgUePcu"
        "loL8sHruqbB7G0ge+QnwARAL+QnwPn5u0TXA14FMYjUBvg8ki9H9/a0F/7rwK/TgCdjtgJIJ9m/BWiest+Dlzgn7znreByq9rM125Mvb/x0/Ho"
        "/HfznY3WbE+qqQ342wDw9jjP+KMEzGHu2fFXejofxi8Wbk/uTfuWaFbIyIKS6DbNT/oP4nuWhG3evCvyCHG7qJPy/8VyPrV4TDlyH/xAj/z3hN"
        "Q/lXheHcmPw+D1fEWjT/20TmSRV2Uf7OCk6id9Meke/0qpj2Rvye0Uf0QC85vt/C4yux9sIY/9VQc4ziTxNr4z6lszFZ6qE6/q5fPMzPmN9AoA"
        "37aY/gJTqidY7z8/nxpe/3O5ThB84="
    )
)

KERNELS = """
import triton
import triton.language as tl
from triton.language.extra import libdevice


@triton.jit
def product(a, b, c, N, K, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr):
    rows = tl.arange(0, BM)
    columns = tl.arange(0, BN)
    inner = tl.arange(0, BK)
    total = tl.zeros((BM, BN), dtype=tl.float32)
    for k in range(0, K, BK):
        x = tl.load(a + rows[:, None] * K + (k + inner)[None, :])
        y = tl.load(b + (k + inner)[:, None] * N + columns[None, :])
        total = tl.dot(x, y, total)
    tl.store(c + rows[:, None] * N + columns[None, :], total.to(tl.bfloat16))


@triton.jit
def tables(x_ptr, out_ptr):
    at = tl.arange(0, 128)
    x = tl.load(x_ptr + at)
    tl.store(out_ptr + at, tl.sin(x) + tl.log(x) + libdevice.tanh(x))


@triton.jit
def prints(x_ptr):
    tl.device_print("x", tl.load(x_ptr))


@triton.jit
def described(tiles, out_ptr, flag, size):
    x = tiles.load([0, 0]) * size
    at = tl.arange(0, 64)
    tl.store(out_ptr + at[:, None] * 64 + at[None, :], x, mask=flag)
"""
PRODUCT = {
    "a": "*bf16",
    "b": "*bf16",
    "c": "*bf16",
    "N": "i32",
    "K": "i32",
    **dict.fromkeys(("BM", "BN", "BK"), "constexpr"),
}
TILES = {"tiles": "tensordesc<bf16[64, 64]>", "out_ptr": "*bf16", "flag": "i1", "size": "fp32"}


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory):
    """Compiles one of `KERNELS` for sm_90: the cubin and Triton's metadata."""
    triton = pytest.importorskip("triton", reason="compiles kernels with Triton")
    if "triton.runtime.interpreter" in str(type(triton.jit)):
        pytest.skip("Triton interprets in this process")
    from importlib.util import module_from_spec, spec_from_file_location

    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    folder = tmp_path_factory.mktemp("kernels")
    path = folder / "compiled_kernels.py"
    path.write_text(KERNELS, encoding="utf-8")
    spec = spec_from_file_location("compiled_kernels", path)
    module = module_from_spec(spec)
    patch = pytest.MonkeyPatch()
    patch.setenv("TRITON_CACHE_DIR", str(folder / "cache"))
    patch.delenv("TRITON_INTERPRET", raising=False)
    spec.loader.exec_module(module)

    def compile_one(name: str, signature: dict[str, str], constants: dict[str, int], **options: int):
        source = ASTSource(getattr(module, name), signature=signature, constexprs=constants)
        kernel = triton.compile(source, target=GPUTarget("cuda", 90, 32), options=options)
        return kernel.asm["cubin"], kernel.metadata

    yield compile_one
    patch.undo()


def told_by_cuobjdump(data: bytes, folder: Path) -> tuple[int, int]:
    """Registers and stack as NVIDIA's own tool reads them."""
    import triton

    tool = Path(triton.__file__).parent / "backends/nvidia/bin/cuobjdump"
    if not tool.exists():
        pytest.skip("this Triton brings no cuobjdump")
    path = folder / "one.cubin"
    path.write_bytes(data)
    text = subprocess.run([tool, "-res-usage", path], capture_output=True, text=True, check=True).stdout
    found = re.search(r"REG:(\d+) STACK:(\d+)", text)
    return int(found[1]), int(found[2])


def test_facts_of_a_cubin() -> None:
    cubin = read_cubin(ADD)
    assert cubin.architecture == 90
    assert cubin.functions == {
        "add": Function(registers=30, local_bytes=0, shared_bytes=0, parameters=(8, 8, 8, 4, 4, 8, 8), threads=128)
    }
    assert (cubin.globals, cubin.imports) == ((), ())


@pytest.mark.parametrize("most_registers", [None, 40])
def test_registers_and_stack_are_those_that_nvidia_reads(compiled, tmp_path: Path, most_registers: int | None) -> None:
    data, metadata = compiled("product", PRODUCT, {"BM": 32, "BN": 32, "BK": 16}, maxnreg=most_registers)
    cubin = read_cubin(data)
    function = cubin.functions[metadata.name]
    assert (function.registers, function.local_bytes) == told_by_cuobjdump(data, tmp_path)
    assert (function.local_bytes > 0) == (most_registers is not None)
    assert function.parameters == (8, 8, 8, 4, 4, 8, 8)
    assert function.threads == 32 * metadata.num_warps
    assert function.shared_bytes == 0  # Triton's is dynamic
    assert (cubin.architecture, cubin.globals, cubin.imports) == (90, (), ())


def test_tables_of_libdevice_are_no_state(compiled) -> None:
    data, _ = compiled("tables", {"x_ptr": "*fp32", "out_ptr": "*fp32"}, {})
    assert b".nv.global.init" in data
    assert read_cubin(data).globals == ()


def test_a_table_of_another_name_is_state(compiled) -> None:
    data, _ = compiled("tables", {"x_ptr": "*fp32", "out_ptr": "*fp32"}, {})
    assert read_cubin(data.replace(b"__cudart_i2opi_f", b"__candidate_memo")).globals == ("__candidate_memo",)


def test_prints_are_state_and_imports(compiled) -> None:
    data, _ = compiled("prints", {"x_ptr": "*fp32"}, {})
    cubin = read_cubin(data)
    assert cubin.globals == ("printfFormat_0",)
    assert cubin.imports == ("vprintf",)


def test_parameters_of_a_descriptor(compiled) -> None:
    data, metadata = compiled("described", TILES, {})
    assert read_cubin(data).functions[metadata.name].parameters == (128, 4, 4, 8, 8, 8, 1, 4, 8, 8)


def test_every_shorter_cubin_is_refused() -> None:
    for length in range(0, len(ADD), 7):
        with pytest.raises(CubinError):
            read_cubin(ADD[:length])


def test_a_spoilt_cubin_is_read_or_refused_but_nothing_else() -> None:
    random_numbers = random.Random(6)
    refused = 0
    for _ in range(3000):
        data = bytearray(ADD)
        for _ in range(random_numbers.choice((1, 2, 8))):
            data[random_numbers.randrange(len(data))] = random_numbers.choice((0, 1, 0x7F, 0x80, 0xFF))
        try:
            read_cubin(bytes(data))
        except CubinError:
            refused += 1
    assert refused > 100


def field_changed(offset: int, layout: str, value: int, data: bytes = ADD) -> bytes:
    changed = bytearray(data)
    struct.pack_into(layout, changed, offset, value)
    return bytes(changed)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "too few"),
        (b"\x7fELF" + bytes(100), "no ELF|not a little-endian"),
        (field_changed(18, "<H", 62), "not a little-endian 64-bit ELF file for CUDA"),
        (field_changed(40, "<Q", 1 << 63), "beyond its end"),
        (field_changed(60, "<H", 0), "0 sections"),
        (field_changed(60, "<H", 65_535), "65535 sections"),
        (field_changed(58, "<H", 63), "of 63 bytes"),
        (field_changed(62, "<H", 4000), "in number 4000"),
        (ADD.replace(b".symtab\0", b"symtabs\0"), None),
        (ADD.replace(b".text.add\0", b".text.bad\0"), "no code of its own"),
        (ADD.replace(b".text.add\0", b".text.a\xffd\0"), "odd name"),
        (ADD.replace(b".nv.callgraph\0", b".nv.info.add2\0"), None),
        (ADD.replace(b".nv.info.add\0", b".nv.info\0dd2\0"), "two sections of one name"),
    ],
)
def test_malformed_cubins(data: bytes, reason: str | None) -> None:
    if reason is None:
        assert read_cubin(data).functions["add"].registers == 30
        return
    with pytest.raises(CubinError, match=reason):
        read_cubin(data)


def test_a_section_that_could_keep_state_is_named() -> None:
    assert read_cubin(ADD.replace(b".nv.callgraph\0", b".nv.global\0\0\0\0")).globals == (".nv.global",)


def test_another_architecture() -> None:
    flags = struct.unpack_from("<I", ADD, 48)[0]
    assert read_cubin(field_changed(48, "<I", (flags & ~0xFF) | 80)).architecture == 80


def header_of(section: str) -> int:
    """Where the header of a section of `ADD` lies."""
    table, count, names = struct.unpack_from("<Q", ADD, 40)[0], *struct.unpack_from("<HH", ADD, 60)
    texts = struct.unpack_from("<Q", ADD, table + 64 * names + 24)[0]
    for number in range(count):
        name = texts + struct.unpack_from("<I", ADD, table + 64 * number)[0]
        if ADD[name : ADD.index(b"\0", name)] == section.encode():
            return table + 64 * number
    raise AssertionError(section)


def contents_of(section: str) -> int:
    return struct.unpack_from("<Q", ADD, header_of(section) + 24)[0]


REGISTERS, PARAMETER = b"\x04\x2f\x08\x00", b"\x04\x17\x0c\x00"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (field_changed(header_of(".text.add") + 32, "<Q", 1 << 40), "'.text.add' reaches beyond its end"),
        (field_changed(header_of(".text.add") + 24, "<Q", 1 << 40), "'.text.add' reaches beyond its end"),
        (field_changed(header_of(".shstrtab") + 32, "<Q", 1 << 40), "section of the cubin reaches beyond"),
        (field_changed(header_of(".text.add"), "<I", 0xFFFF), "name in the cubin reaches beyond"),
        (field_changed(header_of(".nv.info") + 4, "<I", 8), "says more about its kernels"),
        (field_changed(header_of(".symtab") + 4, "<I", 1), "0 tables of symbols"),
        (field_changed(header_of(".strtab") + 4, "<I", 2), "2 tables of symbols"),
        (field_changed(header_of(".symtab") + 40, "<I", 999), "one without names"),
        (field_changed(header_of(".symtab") + 32, "<Q", 25), "table of symbols takes 25 bytes"),
        (ADD.replace(REGISTERS, b"\x04\x2e\x08\x00"), "how many registers"),
        (field_changed(ADD.index(PARAMETER) + 8, "<H", 9), "leaves out parameters"),
        (field_changed(contents_of(".nv.info") + 2, "<H", 0xFFFF), "reaches beyond its section"),
        (field_changed(contents_of(".nv.info") + 2, "<H", 4), "cut short"),
    ],
)
def test_cubins_whose_tables_lie(data: bytes, reason: str) -> None:
    assert data != ADD
    with pytest.raises(CubinError, match=reason):
        read_cubin(data)


def test_facts_and_tables_may_not_be_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evaluators.kernels.cubin.MOST_FACTS_BYTES", 100)
    with pytest.raises(CubinError, match="than 100 bytes hold"):
        read_cubin(ADD)
