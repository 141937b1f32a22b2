"""Opens the GPU in the judge process: torch first, then the slow launch state, then the facts."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable

import torch

from evaluators.kernels.floor import GpuFacts, peak_bandwidth, peak_flops
from evaluators.kernels.gpu import cuda
from evaluators.kernels.gpu.clocked import Flush
from evaluators.kernels.gpu.clocks import Clocks, driver_version
from evaluators.kernels.gpu.correct import Device
from evaluators.kernels.gpu.match import Bench
from evaluators.kernels.gpu.protocol import Turn
from evaluators.kernels.task import KernelTask


def open_bench(task: KernelTask, index: int, tell: Callable[[Turn], None]) -> tuple[Bench, torch.cuda.Stream]:
    """Everything that stays from request to request; work must run while the stream is torch's current one.

    Args:
        task: the problem's.
        index: which of the visible GPUs.
        tell: says whose turn it is.
    """
    torch.cuda.set_device(index)
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    with torch.cuda.stream(stream):
        # From the first cumsum on every graph node of a process costs more, for good; so all is measured after it.
        torch.cumsum(torch.ones(1024, device="cuda"), 0)
        torch.cuda.synchronize()
        driver = cuda.Driver()
        device = driver.device(index)
        facts = gpu_facts(driver, device, index)
        bench = Bench(
            device=Device(driver=driver, stream=stream.cuda_stream, shared_bytes=facts.shared_bytes),
            facts=facts,
            task=task,
            clocks=Clocks(driver.bus_id(device)),
            flush=Flush(facts.l2_bytes),
            tell=tell,
        )
        torch.cuda.synchronize()
    return bench, stream


def gpu_facts(driver: cuda.Driver, device: int, index: int) -> GpuFacts:
    """The GPU as the driver describes it."""
    architecture = 10 * driver.attribute(cuda.MAJOR, device) + driver.attribute(cuda.MINOR, device)
    sms = driver.attribute(cuda.SM_COUNT, device)
    bf16, fp32 = peak_flops(architecture, sms, driver.attribute(cuda.CLOCK_RATE, device))
    return GpuFacts(
        name=torch.cuda.get_device_name(index),
        architecture=architecture,
        sms=sms,
        l2_bytes=driver.attribute(cuda.L2_BYTES, device),
        memory_bytes=torch.cuda.mem_get_info(index)[1],
        shared_bytes=driver.attribute(cuda.SHARED_OPTIN, device),
        bandwidth=peak_bandwidth(
            driver.attribute(cuda.MEMORY_CLOCK_RATE, device), driver.attribute(cuda.BUS_WIDTH, device)
        ),
        bf16_flops=bf16,
        fp32_flops=fp32,
        driver=driver_version(),
        cuda=driver.cuda_version(),
        torch=str(torch.__version__),
        triton=_version_of("triton"),
    )


def _version_of(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""
