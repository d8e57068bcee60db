"""A double that serves, and an agent on its client."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from satchel import Agent
from satchel.runtime.budget import Budget
from tests.providers import errand
from tests.providers.double import Double
from tests.providers.table import ROWS

Start = Callable[..., tuple[Double, Callable[..., Agent]]]


@pytest.fixture
def start() -> Iterator[Start]:
    """From a row's name and a double's options to the double and a maker of agents that speak to it."""
    with ExitStack() as stack:

        def started(name: str, **options: int) -> tuple[Double, Callable[..., Agent]]:
            double = ROWS[name].double(**options)
            url = stack.enter_context(double.serving())

            def agent(*, client: dict[str, Any] | None = None, **changes: Any) -> Agent:
                given = {
                    "tools": errand.tools(), "instructions": errand.INSTRUCTIONS, "context_limit": 6_000,
                    "budget": Budget(steps=80), "store": "memory://", "seed": 1,
                }  # fmt: skip
                return Agent(ROWS[name].client(url, **(client or {})), **{**given, **changes})

            return double, agent

        yield started
