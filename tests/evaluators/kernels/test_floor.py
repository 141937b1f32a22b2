"""The floor bounds what a device can do: each of its terms by a case in which it alone decides."""

from __future__ import annotations

import pytest

from evaluators.kernels.floor import GpuFacts, floor_seconds, peak_bandwidth, peak_flops, roofline_seconds
from evaluators.kernels.task import Traffic

H200 = GpuFacts(
    name="H200",
    architecture=90,
    sms=132,
    l2_bytes=62_914_560,
    memory_bytes=141 << 30,
    shared_bytes=232_448,
    bandwidth=peak_bandwidth(3_201_000, 6144),
    bf16_flops=peak_flops(90, 132, 1_980_000)[0],
    fp32_flops=peak_flops(90, 132, 1_980_000)[1],
    cuda="13.0",
    driver="13.0",
    torch="2.11",
    triton="3.6",
)


def test_the_peaks_of_an_h200_lie_above_its_data_sheet_but_not_far() -> None:
    assert 4.8e12 <= H200.bandwidth < 4.8e12 * 1.05
    assert 989e12 <= H200.bf16_flops < 989e12 * 1.10
    assert 67e12 * 0.99 <= H200.fp32_flops < 67e12 * 1.05


def test_an_unknown_device_gets_peaks_above_every_known_one() -> None:
    assert all(mine > theirs for mine, theirs in zip(peak_flops(999, 132, 1), peak_flops(100, 132, 1), strict=True))


def test_reads_are_never_excused_by_the_cache() -> None:
    # 8 MB fit into the cache; but it was emptied, so that they come over the bus all the same.
    traffic = Traffic(read_bytes=8 << 20, written_bytes=0)
    assert roofline_seconds(traffic, H200) == pytest.approx((8 << 20) / H200.bandwidth)


def test_writes_may_stay_in_the_cache_but_not_more_than_it_holds() -> None:
    inside = Traffic(read_bytes=0, written_bytes=H200.l2_bytes)
    beyond = Traffic(read_bytes=0, written_bytes=H200.l2_bytes + 48_000_000)
    assert roofline_seconds(inside, H200) == 0
    assert roofline_seconds(beyond, H200) == pytest.approx(48e6 / H200.bandwidth)


def test_reads_and_writes_share_the_bus_beyond_the_cache() -> None:
    traffic = Traffic(read_bytes=268_000_000, written_bytes=134_000_000)
    assert roofline_seconds(traffic, H200) == pytest.approx((402e6 - H200.l2_bytes) / H200.bandwidth)


@pytest.mark.parametrize(("rate", "peak"), [("bf16", H200.bf16_flops), ("fp32", H200.fp32_flops)])
def test_operations_bound_by_the_peak_of_their_rate(rate: str, peak: float) -> None:
    traffic = Traffic(read_bytes=1, written_bytes=1, flops=1e12, rate=rate)
    assert roofline_seconds(traffic, H200) == pytest.approx(1e12 / peak)


def test_no_graph_is_faster_than_an_empty_one() -> None:
    small = Traffic(read_bytes=1024, written_bytes=1024)
    assert floor_seconds(small, H200, 2.7e-6) == 2.7e-6
    large = Traffic(read_bytes=1 << 30, written_bytes=0)
    assert floor_seconds(large, H200, 2.7e-6) == roofline_seconds(large, H200) > 2.7e-6
