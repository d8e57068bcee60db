"""The load of the service: both ways beside the bare graph, idle streams, and what a soak compares."""

from __future__ import annotations

import asyncio

import pytest

from satchel.evals import service_load, service_soak
from satchel.evals.service_load import Beside, Slice


def test_a_ratio_is_that_of_the_middle_round() -> None:
    bare = Slice(100.0, 0.1, 0.0, 0.001)
    rounds = [Slice(rate, p50, 0.0, 0.002) for rate, p50 in ((10, 0.9), (90, 0.11), (80, 0.12))]
    way = Beside("wait", [(ours, bare) for ours in rounds])
    assert (way.ratio, round(way.added, 3)) == (0.8, 0.02)
    assert "0.80x" in str(way)


@pytest.mark.debian
def test_a_slice_of_the_load_has_no_failures_and_no_collapse() -> None:
    wait, stream = service_load.measure(concurrent=4, rounds=1, seconds=1.5)
    for way in (wait, stream):
        assert [one.failed for pair in way.pairs for one in pair] == [0.0, 0.0]
        assert way.ratio > 0.1, "the bars are the command's: other work on this machine shifts a slice"


@pytest.mark.debian
def test_idle_streams_share_four_connections_and_a_load_leaves_no_key_that_stays() -> None:
    with service_load.service() as (server, store):
        before, after = (asyncio.run(service_soak.soak(server, store, minutes, seconds=1)) for minutes in (0, 1))
        assert after.keys == before.keys
        assert asyncio.run(service_soak.idle(server, store, 100, seconds=6)) <= 4
