"""What a cubin says of itself: an ELF file with machine code, read with `struct` alone and trusted in nothing.

The layout is that of NVIDIA's 64-bit ELF: kernels are entry symbols in ``.text.NAME`` sections; what a kernel needs
stands as attributes in ``.nv.info`` (for all kernels) and ``.nv.info.NAME``. Checked against ``cuobjdump -res-usage``
for the compilers of Triton 3.6 (ABI 7) and 3.9 (ABI 8). How many spills there are does not stand in it, only the size
of the stack frame that holds them; ``ptxas -v`` tells their number while it compiles.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

MOST_SECTIONS = 4096
MOST_SYMBOLS = 65_536
MOST_NAME_BYTES = 1024
MOST_FACTS_BYTES = 1 << 20
MOST_TABLE_BYTES = 4096
RESERVED_SHARED_BYTES = 1024
"""What the system takes of a block's shared memory; it is part of what a cubin says, and none of the kernel's."""

SYMBOL_NAME = re.compile(rb"[A-Za-z_$.][A-Za-z0-9_$.]*")

_HEADER = struct.Struct("<4s5B7xHHIQQQIHHHHHH")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_SYMBOL = struct.Struct("<IBBHQQ")
_ATTRIBUTE = struct.Struct("<BBH")
_CUDA = 190  # e_machine
_NEW_ABI = 8  # EI_ABIVERSION from which e_flags holds the architecture one byte higher
_NOBITS, _SYMTAB = 8, 2
_WRITE, _ALLOC = 1, 2
_OBJECT, _FUNCTION, _ENTRY = 1, 2, 0x10
_SIZED = 4  # the form of attributes whose value has a length of its own
_REQUIRED_THREADS, _FRAME_SIZE, _PARAMETER, _REGISTERS = 0x10, 0x11, 0x17, 0x2F
_TABLE_ALIGN = 8
_FACTS = ".nv.info"
_TABLES = ".nv.global.init"
_RESERVED = ".nv.shared.reserved.0"
_EXPECTED = ".nv.reservedSmem."
_TEXT = re.compile(r"_\$_str(_\$_[0-9]+)?")
_TABLE = re.compile(r"__cudart_[a-z0-9_]+")
_UNIQUE = (".text.", ".nv.global", ".nv.shared.", _FACTS)
_OF_THE_LAUNCH = (".text.", ".nv.shared.", ".nv.local.", ".nv.constant")


class CubinError(ValueError):
    """The bytes are no cubin that could be loaded; the message says what is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """One kernel of a cubin.

    Args:
        registers: 32-bit registers of a thread.
        local_bytes: stack frame of a thread in local memory: spilled registers and arrays.
        shared_bytes: static shared memory of a block, without the system's own; Triton's kernels ask for theirs at
            the launch instead.
        parameters: bytes of each parameter, in order.
        threads: threads that a block must have, 0 where it does not say.
    """

    registers: int
    local_bytes: int
    shared_bytes: int
    parameters: tuple[int, ...]
    threads: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cubin:
    """A cubin's facts.

    Args:
        architecture: compute capability times ten, such as 90.
        functions: its kernels by symbol.
        globals: names of data that outlives a launch, but for the constant tables that come with libdevice's maths
            (``tl.log`` and ``tl.sin`` among others bring some).
        imports: symbols that something else would have to define, such as ``vprintf``.
    """

    architecture: int
    functions: Mapping[str, Function]
    globals: tuple[str, ...]
    imports: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Section:
    name: str
    type: int
    flags: int
    offset: int
    size: int
    link: int
    info: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Symbol:
    name: str
    type: int
    entry: bool
    section: int
    value: int
    size: int


def read_cubin(data: bytes) -> Cubin:
    """Read a cubin's facts.

    Raises:
        CubinError: it is malformed, or not one of the files that ptxas makes.
    """
    try:
        return _read(data)
    except struct.error as error:
        raise CubinError(f"a table of the cubin is cut short: {error}") from error


def _read(data: bytes) -> Cubin:
    if len(data) < _HEADER.size:
        raise CubinError(f"{len(data)} bytes are too few for a cubin")
    header = _HEADER.unpack_from(data)
    magic, width, order, _, _, abi, _, machine = header[:8]
    if (magic, width, order, machine) != (b"\x7fELF", 2, 1, _CUDA):
        raise CubinError("the cubin is not a little-endian 64-bit ELF file for CUDA")
    flags = header[12]
    if header[10] + header[14] * header[15] > len(data):
        raise CubinError("the cubin's table of segments reaches beyond its end")
    sections = _sections(data, table=header[11], entry_bytes=header[16], count=header[17], names=header[18])
    symbols = _symbols(data, sections)
    return Cubin(
        architecture=(flags >> 8 if abi >= _NEW_ABI else flags) & 0xFF,
        functions=MappingProxyType(_functions(data, sections, symbols)),
        globals=tuple(name for number in range(len(sections)) for name in _globals(data, sections, symbols, number)),
        imports=tuple(
            symbol.name
            for symbol in symbols[1:]
            if not symbol.section and symbol.name and not symbol.name.startswith(_EXPECTED)
        ),
    )


def _globals(data: bytes, sections: list[_Section], symbols: list[_Symbol], number: int) -> Iterator[str]:
    """Names of what a section holds that outlives a launch: neither code, constant nor the launch's own."""
    section = sections[number]
    writable = section.flags & (_WRITE | _ALLOC) == _WRITE | _ALLOC and section.size > 0
    if not section.name.startswith(".nv.global") and (not writable or section.name.startswith(_OF_THE_LAUNCH)):
        return
    if section.name != _TABLES or section.type == _NOBITS or section.size > MOST_TABLE_BYTES:
        yield section.name
        return
    contents = _span(data, section.offset, section.size)
    objects = [symbol for symbol in symbols if symbol.section == number and symbol.type == _OBJECT]
    if sum(symbol.size for symbol in objects) + _TABLE_ALIGN * len(objects) < section.size:
        yield section.name
    for symbol in objects:
        text = contents[symbol.value : symbol.value + symbol.size]
        # libdevice asks the compiler by such texts, and reduces arguments of sin and cos by such tables.
        known = text.startswith(b"__CUDA_") if _TEXT.fullmatch(symbol.name) else _TABLE.fullmatch(symbol.name)
        if not known:
            yield symbol.name


def _sections(data: bytes, *, table: int, entry_bytes: int, count: int, names: int) -> list[_Section]:
    if not 0 < count <= MOST_SECTIONS or entry_bytes != _SECTION.size or names >= count:
        raise CubinError(f"the cubin has {count} sections of {entry_bytes} bytes each, names in number {names}")
    if table + count * entry_bytes > len(data):
        raise CubinError("the cubin's table of sections reaches beyond its end")
    rows = [_SECTION.unpack_from(data, table + number * entry_bytes) for number in range(count)]
    texts = _span(data, rows[names][4], rows[names][5])
    sections = []
    for row in rows:
        section = _Section(
            name=_name(texts, row[0]), type=row[1], flags=row[2], offset=row[4], size=row[5], link=row[6], info=row[7]
        )
        if section.type != _NOBITS and section.offset + section.size > len(data):
            raise CubinError(f"the cubin's section {section.name!r} reaches beyond its end")
        sections.append(section)
    _check_names(sections)
    return sections


def _check_names(sections: list[_Section]) -> None:
    """A second section of one name would leave open whose facts are true; and reading facts must not take long."""
    facts = [section for section in sections if section.name.startswith(_FACTS)]
    names = [section.name for section in sections if section.name.startswith(_UNIQUE)]
    if len(set(names)) < len(names):
        raise CubinError("the cubin holds two sections of one name")
    if any(fact.type == _NOBITS for fact in facts) or sum(fact.size for fact in facts) > MOST_FACTS_BYTES:
        raise CubinError(f"the cubin says more about its kernels than {MOST_FACTS_BYTES} bytes hold")


def _symbols(data: bytes, sections: list[_Section]) -> list[_Symbol]:
    tables = [section for section in sections if section.type == _SYMTAB]
    if len(tables) != 1 or tables[0].link >= len(sections):
        raise CubinError(f"the cubin has {len(tables)} tables of symbols, or one without names; it needs one")
    if tables[0].size > MOST_SYMBOLS * _SYMBOL.size or tables[0].size % _SYMBOL.size:
        raise CubinError(f"the cubin's table of symbols takes {tables[0].size} bytes")
    named = sections[tables[0].link]
    texts = _span(data, named.offset, named.size)
    return [
        _Symbol(
            name=_name(texts, name),
            type=info & 0xF,
            entry=bool(other & _ENTRY),
            section=section,
            value=value,
            size=size,
        )
        for name, info, other, section, value, size in _SYMBOL.iter_unpack(
            _span(data, tables[0].offset, tables[0].size)
        )
    ]


def _functions(data: bytes, sections: list[_Section], symbols: list[_Symbol]) -> dict[str, Function]:
    registers, frames = _of_all(data, sections)
    by_name = {section.name: section for section in sections}
    functions: dict[str, Function] = {}
    for number, symbol in enumerate(symbols):
        if symbol.type != _FUNCTION or not symbol.entry or not symbol.section:
            continue
        name = symbol.name
        text = sections[symbol.section] if symbol.section < len(sections) else None
        if text is None or text.name != f".text.{name}" or name in functions:
            raise CubinError(f"the cubin's kernel {name!r} is there twice, or has no code of its own")
        threads, parameters = _of_one(data, by_name.get(f"{_FACTS}.{name}"))
        shared = by_name.get(f".nv.shared.{name}")
        reserved = RESERVED_SHARED_BYTES if _RESERVED in by_name else 0
        if number not in registers:
            raise CubinError(f"the cubin does not say how many registers its kernel {name!r} takes")
        functions[name] = Function(
            registers=registers[number],
            local_bytes=frames.get(number, 0),
            shared_bytes=max(shared.size - reserved, 0) if shared else 0,
            parameters=parameters,
            threads=threads,
        )
    return functions


def _of_all(data: bytes, sections: list[_Section]) -> tuple[dict[int, int], dict[int, int]]:
    """Registers and stack frames by the number of the kernel's symbol."""
    registers: dict[int, int] = {}
    frames: dict[int, int] = {}
    for section in sections:
        if section.name == _FACTS:
            for kind, value in _attributes(_span(data, section.offset, section.size)):
                if kind in (_REGISTERS, _FRAME_SIZE):
                    symbol, size = struct.unpack("<II", value)
                    (registers if kind == _REGISTERS else frames)[symbol] = size
    return registers, frames


def _of_one(data: bytes, section: _Section | None) -> tuple[int, tuple[int, ...]]:
    """Threads of a block and bytes of the parameters, from what stands about one kernel."""
    threads = 0
    sizes: dict[int, int] = {}
    for kind, value in _attributes(_span(data, section.offset, section.size)) if section else ():
        if kind == _REQUIRED_THREADS:
            x, y, z = struct.unpack("<III", value)
            threads = x * y * z
        elif kind == _PARAMETER:
            _, ordinal, _, packed = struct.unpack("<IHHI", value)
            sizes[ordinal] = packed >> 18
    if sorted(sizes) != list(range(len(sizes))):
        raise CubinError("the cubin leaves out parameters of a kernel")
    return threads, tuple(sizes[ordinal] for ordinal in range(len(sizes)))


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    position = 0
    while position < len(data):
        form, kind, value = _ATTRIBUTE.unpack_from(data, position)
        position += _ATTRIBUTE.size
        if form == _SIZED:
            if position + value > len(data):
                raise CubinError("an attribute in the cubin reaches beyond its section")
            yield kind, data[position : position + value]
            position += value


def _span(data: bytes, offset: int, size: int) -> bytes:
    if offset + size > len(data):
        raise CubinError("a section of the cubin reaches beyond its end")
    return data[offset : offset + size]


def _name(texts: bytes, offset: int) -> str:
    end = texts.find(b"\0", offset, offset + MOST_NAME_BYTES)
    if offset >= len(texts) or end < 0:
        raise CubinError("a name in the cubin reaches beyond its table")
    name = texts[offset:end]
    if name and not SYMBOL_NAME.fullmatch(name):
        raise CubinError(f"the cubin holds the odd name {name[:60]!r}")
    return name.decode("ascii")
