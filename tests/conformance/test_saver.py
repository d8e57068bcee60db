"""LangGraph's own conformance suite over `RedisSaver`: every capability is found, and every test of it passes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from langgraph.checkpoint.conformance import checkpointer_test, validate
from langgraph.checkpoint.conformance.capabilities import Capability

from satchel.memory import RedisSaver
from satchel.memory.keyring import VARIABLE
from tests.stores import EVERYWHERE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from satchel.memory.embedded import EmbeddedServer


KEYS = [pytest.param(None, id="plain"), pytest.param("07" * 32, id="sealed")]


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("backend", EVERYWHERE)
async def test_every_capability_of_the_published_suite(
    backend: str, key: str | None, server: Callable[[str], EmbeddedServer | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    if key:
        monkeypatch.setenv(VARIABLE, key)
    at = server(backend)

    @checkpointer_test(name=f"satchel on {backend}")
    async def made() -> AsyncIterator[RedisSaver]:
        async with RedisSaver.from_url(at.url if at else "memory://") as saver:
            yield saver
            for thread in {found.config["configurable"]["thread_id"] async for found in saver.alist(None)}:
                await saver.adelete_thread(thread)

    report = await validate(made)
    failures = [failure for result in report.results.values() for failure in result.failures or []]
    assert failures == []
    assert {name for name, result in report.results.items() if result.detected} == {one.value for one in Capability}
    assert all(result.passed and result.tests_passed for result in report.results.values())
    assert report.passed_all()
