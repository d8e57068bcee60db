"""Budgets: what a run may spend, checked before each call in one place, with the last answer reserved up front."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import Any

from satchel.memory.errors import ConfigError
from satchel.memory.records import Json, Usage

SAFETY = 1.25
"""Factor on our token counts where the model's own tokenizer is another: Claude counts English 16 % and code 30 %
higher than o200k_base (published comparisons of the Claude 3.5 tokenizer, 2025)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Limits of one run's spending, resumes included, in whole tokens, US dollars and seconds; None is no limit.

    A step is a turn: one model call and the tool calls it asked for. The reserved answer is the last step. Raises
    `ConfigError` for a limit that is negative or not a number.
    """

    steps: int | None = None
    model_calls: int | None = None
    tool_calls: int | None = None
    per_tool: Mapping[str, int] = field(default_factory=dict)
    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    usd: float | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        limits = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "per_tool"} | dict(self.per_tool)
        for name, limit in limits.items():
            whole = name not in ("usd", "seconds")
            if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int if whole else int | float)):
                raise ConfigError(f"budget {name}={limit!r} is not a {'whole ' * whole}number")
            if limit is not None and not limit >= (1 if name in ("steps", "model_calls") else 0):
                raise ConfigError(f"budget {name}={limit!r} allows nothing; give a larger number, or None for no limit")
        object.__setattr__(self, "per_tool", MappingProxyType(dict(self.per_tool)))

    def __add__(self, more: Budget) -> Budget:
        """The budget raised by another; a limit that either lacks stays or becomes what the other says."""
        raised: dict[str, Any] = {}
        for f in fields(self):
            old, new = getattr(self, f.name), getattr(more, f.name)
            if f.name == "per_tool":
                raised[f.name] = {k: old.get(k, 0) + new.get(k, 0) for k in {**old, **new}}
            else:
                raised[f.name] = old if new is None or old is None else old + new
        return Budget(**raised)

    def record(self) -> dict[str, Json]:
        """The limits that are set, as a log keeps them."""
        values = {f.name: getattr(self, f.name) for f in fields(self)} | {"per_tool": dict(self.per_tool)}
        return {name: value for name, value in values.items() if value not in (None, {})}

    @classmethod
    def parse(cls, text: str) -> Budget:
        """Read `steps=40,usd=0.5,per_tool.search=3`. Raises `ConfigError` for an unknown name or a bad number."""
        values: dict[str, Any] = {}
        per_tool: dict[str, int] = {}
        for part in filter(None, (p.strip() for p in text.split(","))):
            name, sep, value = part.partition("=")
            try:
                number: float = float(value) if name in ("usd", "seconds") else int(value)
            except ValueError:
                raise ConfigError(f"budget {part!r} is not of the form name=number, for example steps=40") from None
            if name.startswith("per_tool."):
                per_tool[name.removeprefix("per_tool.")] = int(number)
            elif sep and name in cls.__slots__:
                values[name] = number
            else:
                known = ", ".join(f for f in cls.__slots__ if f != "per_tool")
                raise ConfigError(f"unknown budget {name!r}; there are: {known}, per_tool.TOOL")
        return cls(**values, per_tool=per_tool)


DEFAULT = Budget(steps=40)
"""The budget of an agent that is given none."""


@dataclass(frozen=True, slots=True)
class Spent:
    """What a run has spent so far: usage, steps, calls of each tool, seconds; `summaries` is a part of the usage."""

    usage: Usage = Usage()
    steps: int = 0
    per_tool: Mapping[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    summaries: Usage = Usage()

    def replied(self, usage: Usage, seconds: float) -> Spent:
        """After a reply."""
        return replace(self, usage=self.usage + usage, steps=self.steps + 1, seconds=self.seconds + seconds)

    def charged(self, usage: Usage, seconds: float = 0.0) -> Spent:
        """After spending without a reply."""
        return replace(self, usage=self.usage + usage, seconds=self.seconds + seconds)

    def summarised(self, usage: Usage, seconds: float) -> Spent:
        """After a call of the summariser."""
        return replace(self.charged(usage, seconds), summaries=self.summaries + usage)

    def called(self, name: str, usd: float) -> Spent:
        """After a tool call was admitted."""
        counts = {**self.per_tool, name: self.per_tool.get(name, 0) + 1}
        return replace(self, usage=self.usage + Usage(tool_calls=1, usd=usd), per_tool=counts)


@dataclass(frozen=True, slots=True)
class Cost:
    """The most that one model call can cost: input and output tokens, US dollars (None: the price is unknown)."""

    input: int
    output: int
    usd: float | None

    def __add__(self, other: Cost) -> Cost:
        usd = None if self.usd is None or other.usd is None else self.usd + other.usd
        return Cost(self.input + other.input, self.output + other.output, usd)


def exhausted(budget: Budget, spent: Spent, cost: Cost, *, calls: int = 1) -> str | None:
    """The first limit that `calls` more model calls of this total cost would exceed, by name; None if none."""
    used = spent.usage
    usd = None if used.usd is None or cost.usd is None else used.usd + cost.usd
    wanted: list[tuple[str, float | None, float | None]] = [
        ("steps", spent.steps + calls, budget.steps),
        ("model_calls", used.model_calls + calls, budget.model_calls),
        ("input_tokens", used.input + cost.input, budget.input_tokens),
        ("output_tokens", used.output + used.reasoning + cost.output, budget.output_tokens),
        ("tokens", used.total + cost.input + cost.output, budget.total_tokens),
        ("usd", usd if budget.usd is None or usd is not None else float("inf"), budget.usd),
        ("seconds", spent.seconds, budget.seconds),
    ]
    return next((name for name, want, limit in wanted if limit is not None and want is not None and want > limit), None)


def refusal(budget: Budget, spent: Spent, name: str, usd: float, reserve: Cost) -> str | None:
    """The limit that forbids one more call of a tool, by name; None if it may run."""
    if spent.per_tool.get(name, 0) >= budget.per_tool.get(name, 1 << 62):
        return f"per_tool.{name}"
    if budget.tool_calls is not None and spent.usage.tool_calls >= budget.tool_calls:
        return "tool_calls"
    if budget.usd is not None and usd:
        total = spent.usage.usd, reserve.usd
        if None in total or sum(filter(None, total)) + usd > budget.usd:
            return "usd"
    return None


NEAR = 0.25
"""Share of a limit below which what is left of it is told: each turn that tells it pays for it anew."""


def left(budget: Budget, spent: Spent) -> str:
    """What is left of the limits that a model can act on and that are near, in words for the tail; else nothing."""
    limits = (("steps", budget.steps, spent.steps), ("tool calls", budget.tool_calls, spent.usage.tool_calls))
    known = [(name, most, max(0, most - done)) for name, most, done in limits if most is not None]
    return ", ".join(f"{rest} {name}" for name, most, rest in known if rest <= NEAR * most)


LIMITS = frozenset({"steps", "model_calls", "tool_calls", "input_tokens", "output_tokens", "tokens", "usd", "seconds"})
"""Outcomes that a budget brings about."""
