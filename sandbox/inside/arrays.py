"""Turns buffers into read-only arrays and array results into buffers, with the library the caller named."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from sandbox.limits import Buffer
from sandbox.wire import DTYPE, encode

PLAIN_KINDS = "biuf"


class Arrays:
    """The array library of the guest.

    Args:
        module: a module with numpy's ``ndarray``, ``generic``, ``asarray`` and ``ascontiguousarray``.
    """

    def __init__(self, module: ModuleType | None) -> None:
        self._module: Any = module

    def load(self, buffer: Buffer) -> object:
        """A read-only array over the buffer's bytes; the buffer itself where there is no array library."""
        if self._module is None:
            return buffer
        # Only over bytes does numpy refuse to be made writable again.
        return self._module.ndarray(buffer.shape, buffer.dtype, buffer=bytes(buffer.data))

    def reply(self, value: object, nonce: str) -> list[bytes | memoryview]:
        """Encode an entry's result: an array, JSON data, or a list or tuple of these.

        Raises:
            TypeError: it is none of these.
        """
        arrays: list[Buffer] = []
        if isinstance(value, list | tuple) and any(self._is_array(item) for item in value):
            node: object = {"list": [self._node(item, arrays) for item in value]}
        else:
            node = self._node(value, arrays)
        try:
            header = {"ending": "replied", "nonce": nonce, "value": node}
            return encode(header, arrays, default=self._plain)
        except ValueError as error:
            raise TypeError(f"the reply is not JSON: {error}") from error

    def _plain(self, value: object) -> object:
        if self._module is not None and isinstance(value, self._module.generic):
            return self._module.asarray(value).item()
        raise TypeError(f"a {type(value).__name__} cannot leave the sandbox; return arrays or JSON data")

    def _is_array(self, value: object) -> bool:
        return self._module is not None and isinstance(value, self._module.ndarray)

    def _node(self, value: object, arrays: list[Buffer]) -> dict[str, object]:
        if isinstance(value, Buffer):
            arrays.append(value)
        elif self._is_array(value):
            arrays.append(self._dump(value))
        else:
            return {"json": value}
        return {"array": len(arrays) - 1}

    def _dump(self, value: object) -> Buffer:
        array = self._module.asarray(value)
        dtype = array.dtype.newbyteorder("<")
        if array.dtype.kind not in PLAIN_KINDS or not DTYPE.fullmatch(dtype.str):
            raise TypeError(f"the reply is an array of {array.dtype}; only plain numbers up to 64 bits can leave")
        array = self._module.ascontiguousarray(array.astype(dtype, copy=False)).reshape(array.shape)
        return Buffer(dtype=dtype.str, shape=tuple(array.shape), data=array.tobytes())
