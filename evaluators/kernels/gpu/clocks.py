"""Clock rates by NVML, where its library is; they lag behind and are told, never used."""

from __future__ import annotations

import ctypes
from ctypes import byref, c_uint, c_void_p

LIBRARY = "libnvidia-ml.so.1"

_SM, _MEMORY = 1, 2


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
