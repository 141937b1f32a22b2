"""Finds text on this machine, by domain, with documents held out from training.

A document is a file, a manual page, or the long docstrings of a Python file. Documents of one folder are all trained on
or all held out, so that near copies do not lie on both sides. Equal documents count once.
"""

from __future__ import annotations

import ast
import gzip
import hashlib
import os
import random
import re
import sys
import sysconfig
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

PYTHON, HEADERS, PROSE, DATA, OTHER = "python", "headers", "prose", "data", "othercode"
DOMAINS = (PYTHON, HEADERS, PROSE, DATA, OTHER)
"""Python sources; C, C++ and CUDA; English; structured data; programs in other languages."""

_SUFFIXES = {
    **dict.fromkeys((".py",), PYTHON),
    **dict.fromkeys((".h", ".hpp", ".hh", ".hxx", ".cuh", ".cu", ".c", ".cc", ".cpp", ".inl", ".inc", ".ipp"), HEADERS),
    **dict.fromkeys((".rst", ".md", ".txt", ".adoc"), PROSE),
    **dict.fromkeys((".json", ".csv", ".xml", ".yaml", ".yml", ".toml", ".tsv", ".ini", ".xsd", ".bib"), DATA),
    **dict.fromkeys((".svg", ".cfg", ".conf", ".ipynb", ".pbtxt", ".proto", ".dtd", ".desktop", ".service"), DATA),
    **dict.fromkeys((".js", ".ts", ".mjs", ".css", ".sh", ".pl", ".pm", ".tcl", ".cmake", ".f", ".f90"), OTHER),
    **dict.fromkeys((".html", ".sql", ".lua", ".m4", ".el", ".awk", ".rb", ".go", ".rs", ".java", ".mk", ".td"), OTHER),
}
_PROSE_NAMES = re.compile(r"^(license|licence|copying|notice|readme|news|authors|changelog|changes|metadata|copyright)")
_MANUAL = re.compile(r"/man/man\d/[^/]+\.\d\w*(\.gz)?$")
_SKIPPED_FOLDERS = frozenset({".git", "__pycache__", "proc", "sys", "dev", "node_modules", "locale", "zoneinfo"})
_SMALLEST_BYTES, _LARGEST_BYTES = 400, 400_000
_PIECE_BYTES = 120_000
_HELD_OUT_SHARE = 0.12
_HELD_PIECE_BYTES = 24_000  # of a held-out document, so that many are met
_DOCSTRING_CHARACTERS = 240
_PARSED_ONE_IN = 2  # parsing costs more than everything else here
_LOT = 24  # files that a process reads at a time


@dataclass(frozen=True, slots=True)
class Corpus:
    """Documents by domain, for training and held out."""

    train: dict[str, list[bytes]]
    held: dict[str, list[bytes]]

    def describe(self) -> dict[str, dict[str, int]]:
        """Documents and bytes of every domain."""
        return {
            domain: {
                "train_documents": len(self.train[domain]),
                "train_bytes": sum(map(len, self.train[domain])),
                "held_documents": len(self.held[domain]),
                "held_bytes": sum(map(len, self.held[domain])),
            }
            for domain in self.train
        }


@dataclass(frozen=True, slots=True)
class Found:
    """A file that may be read."""

    domain: str
    path: str
    size: int


def gather(
    *, train_bytes: int, held_bytes: int, seconds: float, workers: int, folders: Sequence[Path] | None = None
) -> Corpus:
    """Find, read and clean documents, at most so many bytes a domain, in about so many seconds.

    Half of the time at most goes into looking for files, in the folders or else all over the machine. Domains without
    any held-out text are left out.
    """
    ends = time.monotonic() + seconds
    files = find(folders or roots(), until=time.monotonic() + seconds / 2)
    corpus = Corpus(train={d: [] for d in DOMAINS}, held={d: [] for d in DOMAINS})
    held = dict.fromkeys(DOMAINS, 0)
    trained = dict(held)
    seen: set[bytes] = set()
    jobs = list(_jobs(files, 3 * (train_bytes + held_bytes)))
    for domain, held_out, text in _read_all(jobs, workers):
        mark = hashlib.blake2b(text, digest_size=12).digest()
        if mark in seen:
            continue
        seen.add(mark)
        if held_out and held[domain] < held_bytes:
            corpus.held[domain].append(text[:_HELD_PIECE_BYTES])
            held[domain] += len(corpus.held[domain][-1])
        elif not held_out and trained[domain] < train_bytes:
            corpus.train[domain].append(text)
            trained[domain] += len(text)
        late = time.monotonic() - ends
        enough = min(trained.values()) >= train_bytes and min(held.values()) >= held_bytes
        # A slow machine gets some more time where a domain has nothing yet.
        if enough or late > max(seconds, 10) or (late > 0 and min(*trained.values(), *held.values()) > 0):
            break
    usable = [domain for domain in DOMAINS if corpus.train[domain] and corpus.held[domain]]
    return Corpus(train={d: corpus.train[d] for d in usable}, held={d: corpus.held[d] for d in usable})


def roots() -> list[Path]:
    """Folders that may hold text, none inside another."""
    paths = {Path(p) for key in ("stdlib", "purelib", "platlib", "include") if (p := sysconfig.get_path(key))}
    paths |= {Path(p) for p in sys.path if p.endswith(("site-packages", "dist-packages"))}
    paths |= {Path(p) for p in ("/usr/include", "/usr/share", "/usr/lib", "/usr/local", "/opt", "/etc")}
    real = sorted({path.resolve() for path in paths if path.is_dir()})
    own = _project()
    return [
        path
        for path in real
        if not any(path != other and path.is_relative_to(other) for other in real) and not path.is_relative_to(own)
    ]


def _project() -> Path:
    """This project's folder, which is not to learn from itself."""
    here = Path(__file__).resolve().parent
    return here.parents[1] if (here.parents[1] / "pyproject.toml").exists() else here


def find(folders: Iterable[Path], *, until: float) -> list[Found]:
    """Files of a known kind below the folders, shuffled; turns from folder to folder, so that time cuts none off."""
    own = str(_project())
    walks = [os.walk(folder) for folder in folders]
    found: list[Found] = []
    while walks and time.monotonic() < until:
        for walk in list(walks):
            step = next(walk, None)
            if step is None:
                walks.remove(walk)
                continue
            folder, names, files = step
            names[:] = [
                n for n in names if n not in _SKIPPED_FOLDERS and not n.startswith(".") and f"{folder}/{n}" != own
            ]
            random.Random(folder).shuffle(names)
            found.extend(item for name in files if (item := _look(folder, name)) is not None)
    random.Random(0).shuffle(found)
    return found


def read_files(files: Sequence[Found]) -> list[tuple[str, bool, bytes]]:
    """Documents of some files: domain, whether it is held out, and clean text."""
    documents: list[tuple[str, bool, bytes]] = []
    for file in files:
        # By the end of the folder's path, so that it is the same wherever things are installed.
        folder = "/".join(file.path.split("/")[-4:-1])
        held_out = zlib.crc32(folder.encode()) % 1000 < 1000 * _HELD_OUT_SHARE
        try:
            raw = Path(file.path).read_bytes()
            text = gzip.decompress(raw) if file.path.endswith(".gz") else raw
        except (OSError, EOFError, zlib.error):
            continue  # a file that cannot be read is no text; there are plenty
        if _MANUAL.search(file.path):
            text = _without_roff(text)
        texts = [(file.domain, text)]
        if file.domain == PYTHON and len(text) % _PARSED_ONE_IN == 0:
            texts.append((PROSE, _docstrings(text)))
        documents.extend((domain, held_out, clean) for domain, text in texts if (clean := clean_text(domain, text)))
    return documents


def clean_text(domain: str, text: bytes) -> bytes:
    """The text, cut to its first piece; nothing if it looks like binary, encoded or minified matter."""
    text = text[:_PIECE_BYTES].replace(b"\r\n", b"\n")
    if len(text) < _SMALLEST_BYTES or b"\0" in text:
        return b""
    plain = len(text.translate(None, delete=bytes(range(128, 256))))
    lines = text.count(b"\n") + 1
    if plain < 0.95 * len(text) or len(text) / lines > (600 if domain == DATA else 160):
        return b""
    # English has an article about every hundred characters.
    if domain == PROSE and text.count(b" the ") < len(text) / 600:
        return b""
    return text


def _look(folder: str, name: str) -> Found | None:
    """What a file is, by its name; None for no text."""
    path = f"{folder}/{name}"
    stem, dot, end = name.lower().removesuffix(".gz").rpartition(".")
    suffix = dot + end if stem else ""
    domain = _SUFFIXES.get(suffix)
    named_so = _PROSE_NAMES.match(name.lower()) and suffix not in {".py", ".h", ".js", ".json"}
    if _MANUAL.search(path) or named_so:
        domain = PROSE
    if domain is None and folder.startswith(("/usr/include/c++", "/usr/local/include/c++")) and "." not in name:
        domain = HEADERS
    # A packages' list of files is hashes, which nothing can be learnt from.
    if domain is None or name in {"RECORD", "top_level.txt", "entry_points.txt", "SOURCES.txt"}:
        return None
    try:
        status = os.lstat(path)
    except OSError:
        return None
    if not _SMALLEST_BYTES <= status.st_size <= _LARGEST_BYTES or status.st_mode & 0o170000 != 0o100000:
        return None
    return Found(domain, path, status.st_size)


def _jobs(files: Sequence[Found], bytes_each: int) -> Iterator[list[Found]]:
    """Files in small lots, domains by turns, no more of one than could be wanted."""
    queues = {domain: [file for file in files if file.domain == domain] for domain in DOMAINS}
    left = dict.fromkeys(DOMAINS, bytes_each)
    start = 0
    while any(start < len(queue) for queue in queues.values()):
        for domain, queue in queues.items():
            lot = queue[start : start + _LOT]
            if lot and left[domain] > 0:
                left[domain] -= sum(file.size for file in lot)
                yield lot
        start += _LOT


def _read_all(jobs: Sequence[list[Found]], workers: int) -> Iterator[tuple[str, bool, bytes]]:
    """Documents of all jobs in the order in which they are ready."""
    with get_context("fork").Pool(max(1, workers)) as children:
        for documents in children.imap_unordered(read_files, jobs):
            yield from documents


def _docstrings(source: bytes) -> bytes:
    """The long docstrings of a module, with its indentation taken away."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return b""
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    texts = [ast.get_docstring(node) or "" for node in ast.walk(tree) if isinstance(node, kinds)]
    return "\n\n".join(text for text in texts if len(text) >= _DOCSTRING_CHARACTERS).encode()


def _without_roff(text: bytes) -> bytes:
    """A manual page's text without its formatter's requests."""
    lines = []
    for line in text.splitlines():
        if line.startswith((b'.\\"', b"'\\\"")):
            continue
        bare = re.sub(rb"^[.'][A-Za-z]{1,2}\s*", b"", line)
        lines.append(re.sub(rb"\\f.|\\[-&|^%]|\\s[-+]?\d", b"", bare).replace(b'"', b""))
    return b"\n".join(lines)
