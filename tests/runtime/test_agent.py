"""Building an agent: what cannot work is refused there, by name and with the way out; and the two ways to call one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from satchel.memory.errors import ConfigError, PromptTooLarge
from satchel.memory.memory_store import MemoryStore
from satchel.runtime.agent import Agent
from satchel.runtime.models import Answer, Scripted, script
from tests.runtime.desk import MODES, call, weigh


def built(**options: Any) -> Agent:
    given: dict[str, Any] = {"model": Scripted(script("Done.")), "store": MemoryStore(), **options}
    return Agent(**given)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"mode": "statefull"}, "unknown mode 'statefull'; did you mean 'stateful'"),
        ({"mode": "x"}, "unknown mode 'x'; there are: stateful, stateless, "),
        ({"model": "sim:ecco"}, "unknown model 'sim:ecco'; did you mean 'sim:echo'"),
        ({"model": 7}, "is no model"),
        ({"on_budget": "stop"}, "on_budget='stop' is none of answer, pause, raise"),
        ({"reply_tokens": 0}, "reply_tokens=0"),
        ({"context_limit": "8k"}, "context limit '8k'"),
        ({"context_limit": 0}, "context limit 0"),
        ({"tools": [weigh, weigh]}, "two tools are named 'weigh'"),
        ({"tools": ["weigh"]}, "is no tool"),
    ],
)
def test_what_cannot_work_is_refused_by_name(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        built(**options)


@pytest.mark.parametrize("mode", MODES)
def test_a_system_text_above_the_ceiling_is_refused_with_the_ceiling_that_would_do(mode: str) -> None:
    words = "mind the gap " * 2_000
    options = {"instructions": words, "mode": mode, "context_limit": 4_000}
    model = Scripted(script("Done."), window=4_000)
    with pytest.raises(PromptTooLarge, match=r"take \d+ tokens .* ceiling of 4000[:;] raise context_limit to \d+"):
        built(model=model, **options)
    fitting = built(model=Scripted(script("Done."), window=9_000), **{**options, "context_limit": 9_000})
    assert fitting.spec.ceiling == 9_000


async def test_a_limit_with_a_plus_counts_beyond_the_fixed_surface() -> None:
    small, large = built(context_limit="+2000"), built(context_limit="+2000", tools=[weigh])
    assert large.spec.context_limit > small.spec.context_limit > 2_000


async def test_an_agent_is_changed_into_another_without_touching_it() -> None:
    agent = built(tools=[weigh])
    other = agent.but(mode="stateless")
    assert (agent.spec.mode.name, other.spec.mode.name) == ("stateful", "stateless")
    assert other.spec.tools == agent.spec.tools


async def test_with_a_seed_reruns_have_the_same_handles_and_without_they_have_not() -> None:
    def salt(store: MemoryStore) -> bytes:
        return next(iter(store._threads.values())).entries[0]

    async def opened(seed: int | None, thread: str = "t") -> bytes:
        store = MemoryStore()
        await built(store=store, seed=seed).arun("Go.", thread=thread)
        return salt(store)

    assert await opened(1) == await opened(1)
    assert len({await opened(1), await opened(2), await opened(1, "u"), await opened(None), await opened(None)}) == 5


def run(agent: Agent) -> str | None:
    return agent.run("Weigh a.").output


def stream(agent: Agent) -> str | None:
    return next(event.result.output for event in agent.stream("Weigh a.") if hasattr(event, "result"))


@pytest.mark.parametrize("way", [run, stream])
async def test_the_synchronous_calls_work_inside_a_running_loop(way: Callable[[Agent], str | None]) -> None:
    policy = script(Answer("", (call("weigh", crate="a"),)), "Done.")
    with built(model=Scripted(policy), tools=[weigh], store="memory://") as agent:
        assert way(agent) == "Done."
        assert way(agent) == "Done."


@pytest.mark.parametrize("way", [run, stream])
def test_the_synchronous_calls_work_without_one(way: Callable[[Agent], str | None]) -> None:
    with built(store="memory://") as agent:
        assert way(agent) == "Done."


def test_a_store_that_cannot_be_opened_is_named_and_tried_again_later() -> None:
    agent = built(store="mysql://here")
    for _ in range(2):
        with pytest.raises(ConfigError, match="mysql"):
            agent.run("Go.")
    agent.close()
