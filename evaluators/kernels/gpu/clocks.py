"""Clock rates and the driver's version by NVML, where its library is; rates lag behind and are told, never used."""

from __future__ import annotations

import ctypes
import re
from ctypes import byref, c_uint, c_void_p
from pathlib import Path

LIBRARY = "libnvidia-ml.so.1"
MODULE = Path("/proc/driver/nvidia/version")

_SM, _MEMORY = 1, 2
_VERSION_BYTES = 80


def driver_version(file: Path = MODULE) -> str:
    """Version of the driver by its kernel module's own word, or by NVML's; empty where neither tells."""
    try:
        told = file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        told = ""
    found = re.search(r"Kernel Module.*?(\d+(?:\.\d+)+)", told)
    return found[1] if found else _by_nvml()


def _by_nvml() -> str:
    text = ctypes.create_string_buffer(_VERSION_BYTES)
    try:
        library = ctypes.CDLL(LIBRARY)
    except OSError:
        return ""
    if library.nvmlInit_v2() or library.nvmlSystemGetDriverVersion(text, c_uint(len(text))):
        return ""
    return text.value.decode(errors="replace")


class Clocks:
    """The clocks of one GPU.

    Args:
        bus_id: its PCI address.
    """

    def __init__(self, bus_id: bytes) -> None:
        self._device = c_void_p()
        self._library: ctypes.CDLL | None = None
        try:
            library = ctypes.CDLL(LIBRARY)
        except OSError:
            return  # No NVML here: rates are told as 0.
        if library.nvmlInit_v2() == 0 and not library.nvmlDeviceGetHandleByPciBusId_v2(bus_id, byref(self._device)):
            self._library = library

    def mhz(self) -> tuple[int, int]:
        """Rates of multiprocessors and memory in MHz; 0 where unknown."""
        return self._rate(_SM), self._rate(_MEMORY)

    def _rate(self, kind: int) -> int:
        rate = c_uint()
        if self._library is None or self._library.nvmlDeviceGetClockInfo(self._device, kind, byref(rate)):
            return 0
        return rate.value
