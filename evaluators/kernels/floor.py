"""The least time that a call can take on a device, and the facts of the device that say so."""

from __future__ import annotations

from dataclasses import dataclass

from evaluators.kernels.task import Traffic

BF16_PER_CYCLE = {80: 2048, 86: 1024, 87: 2048, 89: 1024, 90: 4096, 100: 8192, 103: 8192, 120: 1024}
"""Floating-point operations of one multiprocessor in one cycle, dense bf16 on matrix units, by compute capability
times ten: the peak of the data sheets (A100 312, A10 125, L40S 362, H100 989, B200 2250 TFLOP/s) over multiprocessors
and boost clock."""

FP32_PER_CYCLE = {80: 128, 86: 256, 87: 256, 89: 256, 90: 256, 100: 256, 103: 256, 120: 256}
"""The same for fp32 outside matrix units: two for each of the 64 or 128 lanes."""

UNKNOWN_BF16_PER_CYCLE, UNKNOWN_FP32_PER_CYCLE = 16384, 512
"""For other devices: more than any known one has, so that the floor stays a floor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuFacts:
    """One GPU, as its driver describes it.

    Args:
        name: marketing name.
        architecture: compute capability times ten.
        sms: multiprocessors.
        l2_bytes: size of the L2 cache.
        memory_bytes: size of the device memory.
        shared_bytes: most shared memory of one block.
        bandwidth: bytes/s of the memory bus at its highest clock.
        bf16_flops: FLOP/s of the matrix units at the highest clock.
        fp32_flops: FLOP/s outside of them at the highest clock.
        driver: version of the driver, such as ``580.95.05``; empty where it does not tell.
        cuda: highest CUDA version that the driver knows, such as ``13.0``.
        torch: version in the judge process.
        triton: version installed there, empty if none.
    """

    name: str
    architecture: int
    sms: int
    l2_bytes: int
    memory_bytes: int
    shared_bytes: int
    bandwidth: float
    bf16_flops: float
    fp32_flops: float
    driver: str
    cuda: str
    torch: str
    triton: str

    def flops(self, rate: str) -> float:
        """Peak of a `Traffic.rate` in FLOP/s."""
        return {"bf16": self.bf16_flops, "fp32": self.fp32_flops}[rate]


def peak_bandwidth(memory_khz: int, bus_bits: int) -> float:
    """Bytes/s of a memory bus that transfers twice in a cycle; no transfer is faster than the bus."""
    return memory_khz * 1e3 * 2 * bus_bits / 8


def peak_flops(architecture: int, sms: int, clock_khz: int) -> tuple[float, float]:
    """FLOP/s in dense bf16 and in fp32 with every multiprocessor at its highest clock."""
    cycles = sms * clock_khz * 1e3
    bf16 = BF16_PER_CYCLE.get(architecture, UNKNOWN_BF16_PER_CYCLE)
    return cycles * bf16, cycles * FP32_PER_CYCLE.get(architecture, UNKNOWN_FP32_PER_CYCLE)


def roofline_seconds(traffic: Traffic, facts: GpuFacts) -> float:
    """The least time for so much work, by optimistic constants. Each term bounds every program:

    - what must be read comes from memory, since the cache was flushed by reading something else, over the bus;
    - what is read and written passes the bus but for what the cache may still hold of it when the clock stops;
    - no operation is done faster than at the peak.
    """
    moved = max(0, traffic.read_bytes + traffic.written_bytes - facts.l2_bytes)
    return max(traffic.read_bytes / facts.bandwidth, moved / facts.bandwidth, traffic.flops / facts.flops(traffic.rate))


def floor_seconds(traffic: Traffic, facts: GpuFacts, empty_seconds: float) -> float:
    """`roofline_seconds`, and no less than an empty kernel takes by the same clock.

    Args:
        traffic: the least work.
        facts: of the device.
        empty_seconds: time of a graph of one empty kernel; no graph of at least one node is faster.
    """
    return max(roofline_seconds(traffic, facts), empty_seconds)
