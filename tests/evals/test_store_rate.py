"""The store costs little beside its script; the command tells the figures."""

from __future__ import annotations

from satchel.evals.store_rate import measure


async def test_the_store_is_nearly_as_fast_as_its_script_alone() -> None:
    rates = await measure(writers=32, each=8, size=2048, rounds=3)
    assert set(rates.rates) == {"Store.append", "evalsha", "RedisStore"}
    assert rates.ratio("Store.append", "evalsha") >= 0.4
    assert "of evalsha" in str(rates)
