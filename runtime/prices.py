"""What tokens cost: dated prices with their source, and bills; a price that we lack is None, never zero."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from satchel.memory.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from satchel.memory.records import Usage

MILLION = 1_000_000

STANDING = ("c=.10,w=1.25", "c=.10,w=1", "c=.05,w=1.25", "c=.02,w=1", "no-cache")
"""The rows that every comparison is billed at, whatever the model."""

_VERSION = re.compile(r"(?:[-@](?:\d{8}|\d{4}-\d{2}-\d{2}|latest))?(?:-v\d+(?::\d+)?)?")
_PART = re.compile(r"\s*([cwo])\s*=\s*(\d+(?:\.\d*)?|\.\d+)\s*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """Prices per million tokens, in US dollars or (`unit="relative"`) in multiples of one uncached input token.

    Nothing is cached below `min_prefix` tokens, and above it in steps of `block`; `lifetime` is how many seconds a
    cached prefix is kept at least, as far as the vendor says. Above `long_above` input tokens the whole call costs
    `long_input` and `long_output` times as much. `output` is None where a row speaks of input alone.
    """

    name: str
    input: float
    cache_read: float
    cache_write: float
    output: float | None = None
    min_prefix: int = 0
    block: int = 1
    lifetime: int | None = None
    long_above: int | None = None
    long_input: float = 1.0
    long_output: float = 1.0
    unit: Literal["usd", "relative"] = "usd"
    source: str = ""
    date: str = ""

    @property
    def rates(self) -> tuple[float, float]:
        """Cached reads and writes as multiples of an uncached input token: what the fold controller needs."""
        return self.cache_read / self.input, self.cache_write / self.input


@cache
def table() -> Mapping[str, Price]:
    """All priced models by name."""
    rows = json.loads((files("satchel.runtime") / "prices.json").read_text("utf-8"))
    return MappingProxyType({name: Price(name=name, **row) for name, row in rows.items()})


def find(model: str) -> Price | None:
    """The price of a model, or None if we have none.

    A provider (`openai:`, `openrouter/anthropic/`) is left out. Then the longest name counts that the model's name is
    equal to or begins with, if nothing but a release follows (`-2025-08-07`, `-20250929`, `-latest`, `@...`, `-v1:0`):
    `gpt-5-2025-08-07` is `gpt-5`, `gpt-5.2` and `gpt-5-pro` are not.
    """
    name = re.split(r"[/:](?=[a-z])", model.strip().lower())[-1]
    known = (known for known in table() if name.startswith(known) and _VERSION.fullmatch(name[len(known) :]))
    best = max(known, key=len, default=None)
    return table()[best] if best else None


def parse_row(text: str) -> Price | None:
    """A relative row: `c=.10,w=1.25` are cached reads and writes in multiples of input, `o=5` the output; else None."""
    if text.strip() == "no-cache":
        return Price(name="no-cache", input=1, cache_read=1, cache_write=1, unit="relative", source="definition")
    parts = [_PART.fullmatch(part) for part in text.split(",")]
    found = {match[1]: float(match[2]) for match in parts if match}
    if len(found) != len(parts) or not {"c", "w"} <= found.keys():
        return None
    return Price(
        name="".join(text.split()),
        input=1,
        cache_read=found["c"],
        cache_write=found["w"],
        output=found.get("o"),
        unit="relative",
        source="definition",
    )


def row(text: str) -> Price:
    """A price row that somebody asked for: `c=.10,w=1.25`, `no-cache` or a model's name. Raises `ConfigError`."""
    found = parse_row(text) or find(text)
    if found:
        return found
    if "=" in text:
        raise ConfigError(f"price row {text!r} is not of the form c=.10,w=1.25 (with ,o=5 for output)")
    near = get_close_matches(text.lower().rpartition(":")[2], table(), 3, 0.5)
    hint = f"the nearest are {', '.join(near)}" if near else f"there are {', '.join(table())}"
    raise ConfigError(f"no price for {text!r}; {hint}; or give a row such as c=.10,w=1.25")


def bill(usage: Usage, price: Price | None) -> float | None:
    """What a call cost by the buckets its provider reported, in the unit of `price`; None if the price is unknown.

    Reasoning is billed as output. Where the row has no output price the bill counts input alone. The usage must be of
    one call, since the surcharge for long input is a call's.
    """
    if price is None:
        return None
    tokens = (
        usage.fresh * price.input + usage.cache_read * price.cache_read + usage.cache_write * price.cache_write
    ) * _long(price, usage.input, price.long_input)
    return (tokens + _output(price, usage.input, usage.output + usage.reasoning)) / MILLION


def priced(usage: Usage, price: Price | None) -> Usage:
    """The usage of one model call with what it cost, in US dollars."""
    usd = bill(usage, price) if price and price.unit == "usd" else None
    return replace(usage, model_calls=1, tool_calls=0, usd=usd)


def bill_prompt(cached: int, rest: int, price: Price | None, *, output: int = 0) -> float | None:
    """What a call would cost at a vendor, by its common prefix with the call before: `cached` and `rest` tokens.

    Only whole blocks of a prefix that reaches the vendor's minimum are read from the cache; the rest is written, or
    plain input where the prompt is below the minimum. None if the price is unknown.
    """
    if price is None:
        return None
    total = cached + rest
    read = cached // price.block * price.block if cached >= price.min_prefix else 0
    other = price.cache_write if total >= price.min_prefix else price.input
    tokens = (read * price.cache_read + (total - read) * other) * _long(price, total, price.long_input)
    return (tokens + _output(price, total, output)) / MILLION


def most(price: Price | None, input_tokens: int, output_tokens: int) -> float | None:
    """The most that a call of this size can cost: nothing read from the cache; None if the price is unknown."""
    if price is None:
        return None
    dear = max(price.input, price.cache_write, price.cache_read)
    tokens = input_tokens * dear * _long(price, input_tokens, price.long_input)
    return (tokens + _output(price, input_tokens, output_tokens)) / MILLION


def _output(price: Price, total: int, output: int) -> float:
    return output * (price.output or 0.0) * _long(price, total, price.long_output)


def _long(price: Price, total: int, factor: float) -> float:
    return factor if price.long_above is not None and total > price.long_above else 1.0
