"""The CUDA driver through ctypes: modules, launches, fills, TMA descriptors and graphs, every return code checked.

Works in whatever context is current, which is torch's primary one. Constants and structures are those of ``cuda.h``;
handles are plain ints.
"""

from __future__ import annotations

import ctypes
from ctypes import POINTER, byref, c_char_p, c_int, c_size_t, c_ubyte, c_uint, c_uint64, c_ushort, c_void_p
from typing import Any

from evaluators.kernels.plan import TensorMap

LIBRARY = "libcuda.so.1"

CLOCK_RATE, SM_COUNT, MEMORY_CLOCK_RATE, BUS_WIDTH, L2_BYTES = 13, 16, 36, 37, 38
MAJOR, MINOR, SHARED_OPTIN = 75, 76, 97
"""CUdevice_attribute; clock rates in kHz, widths in bits."""

FUNCTION_SHARED, FUNCTION_LOCAL, FUNCTION_REGISTERS, FUNCTION_DYNAMIC_SHARED, FUNCTION_BIG_CLUSTERS = 1, 3, 4, 8, 14
"""CUfunction_attribute."""

PREFER_SHARED = 1
CAPTURE_THREAD_LOCAL = 1
ATTRIBUTE_CLUSTER, ATTRIBUTE_CLUSTER_SCHEDULING, SCHEDULE_SPREAD = 4, 5, 1
PROMOTE_128_BYTES = 2

MAP_BYTES, MAP_ALIGN = 128, 128
"""Size of a CUtensorMap and the alignment that it needs."""

OUT_OF_MEMORY = "CUDA_ERROR_OUT_OF_MEMORY"


class CudaError(RuntimeError):
    """A driver call failed.

    Args:
        name: of the error, such as ``CUDA_ERROR_ILLEGAL_ADDRESS``.
        call: the function that reported it; a kernel's error may show in any later call.
    """

    def __init__(self, name: str, call: str) -> None:
        super().__init__(f"{name} in {call}")
        self.name = name
        self.call = call


class _Attribute(ctypes.Structure):
    """CUlaunchAttribute: an id, padding to eight bytes, 64 bytes of value."""

    _fields_ = (("id", c_uint), ("pad", c_uint), ("value", c_uint * 16))


class _Config(ctypes.Structure):
    """CUlaunchConfig."""

    _fields_ = (
        ("grid", c_uint * 3),
        ("block", c_uint * 3),
        ("shared_bytes", c_uint),
        ("stream", c_void_p),
        ("attributes", POINTER(_Attribute)),
        ("attribute_count", c_uint),
    )


_SIGNATURES: dict[str, tuple[Any, ...]] = {
    "cuInit": (c_uint,),
    "cuDriverGetVersion": (POINTER(c_int),),
    "cuDeviceGet": (POINTER(c_int), c_int),
    "cuDeviceGetAttribute": (POINTER(c_int), c_int, c_int),
    "cuDeviceGetPCIBusId": (c_char_p, c_int, c_int),
    "cuCtxSynchronize": (),
    "cuModuleLoadData": (POINTER(c_void_p), c_char_p),
    "cuModuleUnload": (c_void_p,),
    "cuModuleGetFunction": (POINTER(c_void_p), c_void_p, c_char_p),
    "cuFuncLoad": (c_void_p,),
    "cuFuncGetAttribute": (POINTER(c_int), c_int, c_void_p),
    "cuFuncSetAttribute": (c_void_p, c_int, c_int),
    "cuFuncSetCacheConfig": (c_void_p, c_int),
    "cuLaunchKernel": (c_void_p, *[c_uint] * 7, c_void_p, POINTER(c_void_p), c_void_p),
    "cuLaunchKernelEx": (POINTER(_Config), c_void_p, POINTER(c_void_p), c_void_p),
    "cuMemsetD8Async": (c_uint64, c_ubyte, c_size_t, c_void_p),
    "cuMemsetD16Async": (c_uint64, c_ushort, c_size_t, c_void_p),
    "cuMemsetD32Async": (c_uint64, c_uint, c_size_t, c_void_p),
    "cuTensorMapEncodeTiled": (
        c_void_p, c_int, c_uint, c_void_p, POINTER(c_uint64), POINTER(c_uint64), POINTER(c_uint), POINTER(c_uint),
        c_int, c_int, c_int, c_int,
    ),
    "cuStreamBeginCapture_v2": (c_void_p, c_int),
    "cuStreamEndCapture": (c_void_p, POINTER(c_void_p)),
    "cuGraphInstantiateWithFlags": (POINTER(c_void_p), c_void_p, ctypes.c_ulonglong),
    "cuGraphUpload": (c_void_p, c_void_p),
    "cuGraphLaunch": (c_void_p, c_void_p),
    "cuGraphExecDestroy": (c_void_p,),
    "cuGraphDestroy": (c_void_p,),
}  # fmt: skip

_FILLS = {1: "cuMemsetD8Async", 2: "cuMemsetD16Async", 4: "cuMemsetD32Async"}


class Driver:
    """The CUDA driver library.

    Raises:
        OSError: it is not on this machine.
    """

    def __init__(self) -> None:
        library = ctypes.CDLL(LIBRARY)
        self._error_name = library.cuGetErrorName
        self._error_name.argtypes = (c_int, POINTER(c_char_p))
        self._functions: dict[str, Any] = {}
        for name, arguments in _SIGNATURES.items():
            function = getattr(library, name)
            function.argtypes = arguments
            function.restype = c_int
            self._functions[name] = function
        self._call("cuInit", 0)

    def _call(self, name: str, *arguments: Any) -> None:
        code = self._functions[name](*arguments)
        if code:
            raise CudaError(self._name_of(code), name)

    def _name_of(self, code: int) -> str:
        text = c_char_p()
        if self._error_name(code, byref(text)) or not text.value:
            return f"CUDA error {code}"
        return text.value.decode()

    def cuda_version(self) -> str:
        """Highest CUDA version that the driver knows, such as ``13.0``."""
        number = c_int()
        self._call("cuDriverGetVersion", byref(number))
        return f"{number.value // 1000}.{number.value % 1000 // 10}"

    def device(self, index: int) -> int:
        """Handle of the device of that index."""
        device = c_int()
        self._call("cuDeviceGet", byref(device), index)
        return device.value

    def attribute(self, attribute: int, device: int) -> int:
        """A CUdevice_attribute."""
        value = c_int()
        self._call("cuDeviceGetAttribute", byref(value), attribute, device)
        return value.value

    def bus_id(self, device: int) -> bytes:
        """PCI address, as NVML wants it."""
        text = ctypes.create_string_buffer(32)
        self._call("cuDeviceGetPCIBusId", text, len(text), device)
        return text.value

    def synchronize(self) -> None:
        """Wait for all work of the context; raises what has gone wrong since."""
        self._call("cuCtxSynchronize")

    def load(self, cubin: bytes) -> int:
        """Load machine code; returns the module."""
        module = c_void_p()
        self._call("cuModuleLoadData", byref(module), cubin)
        return module.value or 0

    def unload(self, module: int) -> None:
        """Unload a module, once nothing that it launched still runs."""
        self._call("cuModuleUnload", module)

    def function(self, module: int, name: str) -> int:
        """A kernel of a module, loaded now: the first launch would otherwise do it, within a capture."""
        function = c_void_p()
        self._call("cuModuleGetFunction", byref(function), module, name.encode())
        self._call("cuFuncLoad", function)
        return function.value or 0

    def function_attribute(self, attribute: int, function: int) -> int:
        """A CUfunction_attribute."""
        value = c_int()
        self._call("cuFuncGetAttribute", byref(value), attribute, function)
        return value.value

    def allow_shared(self, function: int, shared_bytes: int) -> None:
        """Let a kernel have so much dynamic shared memory, more than the 48 KiB that need no leave."""
        self._call("cuFuncSetCacheConfig", function, PREFER_SHARED)
        self._call("cuFuncSetAttribute", function, FUNCTION_DYNAMIC_SHARED, shared_bytes)

    def allow_big_clusters(self, function: int) -> None:
        """Let a kernel have clusters of more than eight blocks."""
        self._call("cuFuncSetAttribute", function, FUNCTION_BIG_CLUSTERS, 1)

    def launch(
        self,
        function: int,
        grid: tuple[int, int, int],
        threads: int,
        shared_bytes: int,
        parameters: Any,
        *,
        stream: int,
        cluster: int = 1,
    ) -> None:
        """Launch a kernel.

        Args:
            function: the kernel.
            grid: in clusters along the first axis where there are clusters, else in blocks.
            threads: of a block.
            shared_bytes: dynamic shared memory of a block.
            parameters: array of the addresses of the parameters; the driver copies what they point to at once.
            stream: where.
            cluster: blocks of a cluster.
        """
        if cluster == 1:
            self._call("cuLaunchKernel", function, *grid, threads, 1, 1, shared_bytes, stream, parameters, None)
            return
        attributes = (_Attribute * 2)()
        attributes[0].id = ATTRIBUTE_CLUSTER
        attributes[0].value[:3] = (cluster, 1, 1)
        attributes[1].id = ATTRIBUTE_CLUSTER_SCHEDULING
        attributes[1].value[0] = SCHEDULE_SPREAD
        config = _Config(
            grid=(grid[0] * cluster, grid[1], grid[2]),
            block=(threads, 1, 1),
            shared_bytes=shared_bytes,
            stream=stream,
            attributes=attributes,
            attribute_count=len(attributes),
        )
        self._call("cuLaunchKernelEx", byref(config), function, parameters, None)

    def fill(self, address: int, pattern: bytes, count: int, *, stream: int) -> None:
        """Fill a stretch of device memory with a pattern of 1, 2 or 4 bytes, so many times."""
        self._call(_FILLS[len(pattern)], address, int.from_bytes(pattern, "little"), count, stream)

    def tensor_map(self, tensor: TensorMap, address: int) -> bytes:
        """Encode a TMA descriptor (CUtensorMap) for a tensor that starts at this address."""
        rank = len(tensor.shape)
        room = ctypes.create_string_buffer(MAP_BYTES + MAP_ALIGN)
        place = -(-ctypes.addressof(room) // MAP_ALIGN) * MAP_ALIGN
        # The driver wants the innermost axis first, and no step for it.
        steps = [stride * tensor.item_bytes for stride in reversed(tensor.strides[:-1])] or [0]
        self._call(
            "cuTensorMapEncodeTiled", place, tensor.element, rank, address,
            (c_uint64 * rank)(*reversed(tensor.shape)), (c_uint64 * len(steps))(*steps),
            (c_uint * rank)(*reversed(tensor.block)), (c_uint * rank)(*[1] * rank),
            0, tensor.swizzle, PROMOTE_128_BYTES, tensor.padding,
        )  # fmt: skip
        return ctypes.string_at(place, MAP_BYTES)

    def begin_capture(self, stream: int) -> None:
        """From now on what is launched on this stream goes into a graph; nothing runs."""
        self._call("cuStreamBeginCapture_v2", stream, CAPTURE_THREAD_LOCAL)

    def end_capture(self, stream: int) -> int:
        """The graph of what was launched since; 0 where the capture had become invalid."""
        graph = c_void_p()
        self._call("cuStreamEndCapture", stream, byref(graph))
        return graph.value or 0

    def instantiate(self, graph: int, stream: int) -> int:
        """An executable graph, uploaded to the device so that its first launch costs no more than others."""
        executable = c_void_p()
        self._call("cuGraphInstantiateWithFlags", byref(executable), graph, 0)
        self._call("cuGraphUpload", executable, stream)
        return executable.value or 0

    def launch_graph(self, executable: int, stream: int) -> None:
        """Launch an executable graph once."""
        self._call("cuGraphLaunch", executable, stream)

    def destroy_graph(self, graph: int) -> None:
        """Free a graph."""
        self._call("cuGraphDestroy", graph)

    def destroy_executable(self, executable: int) -> None:
        """Free an executable graph that no longer runs."""
        self._call("cuGraphExecDestroy", executable)
