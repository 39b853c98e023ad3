"""Percentiles of a road, read from its buckets of latencies."""

from __future__ import annotations

import pytest

from campaigns.models.service import LATENCY_BOUNDS
from campaigns.road_history import quantile


def buckets(**numbers: int) -> list[int]:
    """`at_10=5`: five answers in the bucket that ends at the tenth bound."""
    found = [0] * (len(LATENCY_BOUNDS) + 1)
    for place, number in numbers.items():
        found[int(place.removeprefix("at_"))] = number
    return found


def test_nothing_answered_has_no_percentile() -> None:
    assert quantile(buckets(), 0.5) is None


def test_within_a_bucket_answers_are_taken_as_evenly_spread() -> None:
    low, high = LATENCY_BOUNDS[9], LATENCY_BOUNDS[10]
    assert quantile(buckets(at_10=200), 0.5) == pytest.approx((low + high) / 2)
    assert quantile(buckets(at_10=200), 1.0) == pytest.approx(high)


def test_the_slow_hundredth_decides_p99_and_leaves_p50_alone() -> None:
    latency = buckets(at_10=980, at_20=20)
    assert LATENCY_BOUNDS[9] < (quantile(latency, 0.5) or 0) < LATENCY_BOUNDS[10]
    assert quantile(latency, 0.99) == pytest.approx((LATENCY_BOUNDS[19] + LATENCY_BOUNDS[20]) / 2)


def test_what_took_longer_than_the_last_bound_counts_as_it() -> None:
    assert quantile(buckets(**{f"at_{len(LATENCY_BOUNDS)}": 3}), 0.99) == LATENCY_BOUNDS[-1]
    assert quantile(buckets(at_0=3), 1.0) == LATENCY_BOUNDS[0]
