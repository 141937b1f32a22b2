"""Which files a guest may read: the standard library, the preloaded packages and the system's libraries."""

from __future__ import annotations

import struct
import sys
import sysconfig
from collections.abc import Iterable, Sequence
from pathlib import Path

SITE_FOLDERS = ("site-packages", "dist-packages")
SYSTEM_LIBRARIES = ("/lib64", "/usr/lib64")
SYSTEM_FILES = ("/etc/ld.so.cache", "/etc/localtime", "/usr/share/zoneinfo")
ELF_HEADER_BYTES, PT_INTERP = 64, 3
DEVICES = ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom")
PROCESS_FILES = ("/proc/cpuinfo", "/proc/meminfo", "/proc/stat")


def standard_library() -> list[str]:
    """Folders of the standard library."""
    return sorted({sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"), _base_platform_library()})


def _base_platform_library() -> str:
    return sysconfig.get_path("platstdlib", vars={"platbase": sys.base_exec_prefix})


def packages(before: Iterable[str]) -> list[str]:
    """Folders and files of the packages that were imported since ``before`` was noted.

    A wheel's bundled shared libraries (``NAME.libs`` beside ``NAME``) belong to it.
    """
    known = set(before)
    found = set()
    for name in {name.partition(".")[0] for name in sys.modules if name not in known}:
        module = sys.modules.get(name)
        spec = getattr(module, "__spec__", None)
        if name in sys.stdlib_module_names or spec is None:
            continue
        locations = list(spec.submodule_search_locations or []) or [spec.origin]
        for location in locations:
            if location and Path(location).is_absolute() and Path(location).exists():
                found.add(location)
                libraries = Path(location).parent / f"{name}.libs"
                if libraries.is_dir():
                    found.add(str(libraries))
    return sorted(found)


def system() -> list[str]:
    """Folders and files of the system that a guest needs for shared libraries, time zones and devices."""
    multiarch = sysconfig.get_config_var("MULTIARCH") or "x86_64-linux-gnu"
    triplet = [f"/lib/{multiarch}", f"/usr/lib/{multiarch}"]
    return [path for path in (*triplet, *SYSTEM_LIBRARIES, *SYSTEM_FILES) if Path(path).exists()]


def startable(programs: Sequence[str]) -> list[str]:
    """The programs with the loaders that the kernel starts them by."""
    return sorted({*programs, *filter(None, map(loader, programs))})


def loader(program: str) -> str:
    """The dynamic loader that a 64-bit ELF program names (its PT_INTERP, elf(5)); empty where it names none."""
    with Path(program).open("rb") as file:
        header = file.read(ELF_HEADER_BYTES)
        if header[:5] != b"\x7fELF\x02":
            return ""
        (table,) = struct.unpack_from("<Q", header, 32)
        size, count = struct.unpack_from("<HH", header, 54)
        for index in range(count):
            file.seek(table + index * size)
            kind, _, offset, _, _, length = struct.unpack("<IIQQQQ", file.read(40))
            if kind == PT_INTERP:
                file.seek(offset)
                return file.read(length).rstrip(b"\0").decode()
    return ""


def site_folders(within: Sequence[str]) -> list[str]:
    """Folders of installed packages that lie inside the given folders."""
    return sorted(
        str(candidate)
        for folder in within
        for name in SITE_FOLDERS
        for candidate in (Path(folder) / name, Path(folder) / "python3" / name)
        if candidate.is_dir()
    )


def without(folders: Sequence[str], hidden: Sequence[str]) -> list[str]:
    """Replace each folder that holds a hidden one by its other entries."""
    result = []
    for folder in folders:
        inside = [path for path in hidden if Path(path).is_relative_to(folder)]
        if not inside:
            result.append(folder)
        elif folder not in inside:
            result += without([str(entry) for entry in sorted(Path(folder).iterdir())], inside)
    return result


def module_folders(readable: Sequence[str], hidden: Sequence[str], packages: Sequence[str]) -> list[str]:
    """Folders that an interpreter started anew lists to find modules, and whose contents are not all readable."""
    parted = [folder for folder in readable if any(Path(path).is_relative_to(folder) for path in hidden)]
    return sorted({*parted, *(str(Path(package).parent) for package in packages)})


def import_path(before: Sequence[str]) -> list[str]:
    """The part of an import path that lies in the standard library."""
    roots = [Path(root) for root in standard_library()]
    return [
        entry
        for entry in before
        if (Path(entry).suffix == ".zip" or any(Path(entry).is_relative_to(root) for root in roots))
        and Path(entry).name not in SITE_FOLDERS
    ]
