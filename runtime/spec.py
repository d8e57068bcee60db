"""What an agent is, as one frozen value: everything that a session needs beside the thread's log."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal

from satchel.memory.errors import ConfigError
from satchel.memory.handles import ref
from satchel.runtime.context.context import Context, fixed
from satchel.runtime.context.controller import Controller, Rates
from satchel.runtime.context.past import Terms

if TYPE_CHECKING:
    from satchel.memory.records import Json
    from satchel.runtime.budget import Budget
    from satchel.runtime.context.message import Message
    from satchel.runtime.mode import Mode
    from satchel.runtime.models import Model
    from satchel.runtime.prices import Price
    from satchel.runtime.tools import Tool

OnBudget = Literal["answer", "pause", "raise"]


@dataclass(frozen=True, slots=True)
class Spec:
    """Model, tools, system messages, mode, limits and prices of an agent. Units as in `Agent`."""

    model: Model
    tools: Mapping[str, Tool]
    system: tuple[Message, ...]
    mode: Mode
    context_limit: int
    reply_tokens: int
    budget: Budget
    on_budget: OnBudget
    price: Price | None
    rates: Rates

    @property
    def schemas(self) -> tuple[Json, ...]:
        """Tool schemas in a steady order."""
        return tuple(tool.schema for tool in self.tools.values())

    @property
    def ceiling(self) -> int:
        """The most tokens that a prompt and its reply may have."""
        return self.context_limit if self.mode.bounded else self.model.window

    def context(self, salt: bytes) -> Context:
        """A fresh context. Raises `PromptTooLarge` if the fixed surface leaves no room under the ceiling."""
        return context(
            self.mode, salt, system=self.system, tools=self.schemas, ceiling=self.ceiling,
            reply_tokens=self.reply_tokens, rates=self.rates,
        )  # fmt: skip


def limit(text: int | str, surface: int) -> int:
    """A context limit in tokens: `N` counts everything, `+N` counts beyond the fixed surface. Raises `ConfigError`."""
    if not re.fullmatch(r"\+?[1-9]\d{0,8}", str(text)):
        raise ConfigError(f"context limit {text!r} is neither a number of tokens nor +N beyond the fixed surface")
    return int(text) + (surface if str(text).startswith("+") else 0)


def context(
    mode: Mode,
    salt: bytes,
    *,
    system: tuple[Message, ...],
    tools: tuple[Json, ...],
    ceiling: int,
    reply_tokens: int,
    rates: Rates,
) -> Context:
    """The context of a thread with this salt; replay and agent make it here alike."""
    handle = cache(lambda seq: ref(salt, seq))
    tag = handle(0)[-5:]
    terms = Terms(handle=handle, tag=tag, fixed=fixed(system, tools), controller=Controller(rates))
    return Context(mode.past(terms), system=system, tools=tools, ceiling=ceiling, reply_tokens=reply_tokens, tag=tag)
