"""Where a model's price comes from: our own rows first, then the package genai-prices if it is installed, else None."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from satchel.runtime.prices import Price, find

PROVIDERS = {"google_genai": "google", "google_vertexai": "google", "mistralai": "mistral", "azure_openai": "azure"}
"""LangChain's names of providers, where genai-prices has others."""

READS = {"mistral": 0.10}
"""Cached reads as a share of the input price, where genai-prices leaves them out and the provider's documentation does
not (docs.mistral.ai/studio-api/conversations/advanced/prompt-caching, read 2026-11-21)."""

SIMULATED = "sim:"
"""How the names of models begin that nobody bills."""


@cache
def look_up(model: str) -> Price | None:
    """The price of a model by name, with or without `provider:`; None if neither source has it."""
    if found := find(model):
        return found
    if model.startswith(SIMULATED) or find_spec("genai_prices") is None:
        return None
    return _published(model)


def _published(model: str) -> Price | None:
    """A row of genai-prices: prices per million tokens, a single step for long input kept as such."""
    prices = import_module("genai_prices")
    provider, _, name = model.strip().lower().rpartition(":")
    try:
        found = prices.calc_price(prices.Usage(), name, provider_id=PROVIDERS.get(provider, provider) or None)
    except LookupError:
        return None
    row = found.model_price
    base = _rate(row, "input_mtok")
    if base is None or _rate(row, "output_mtok") is None:
        return None
    long_above, long_input = _step(row.input_mtok)
    _, long_output = _step(row.output_mtok)
    return Price(
        name=found.model.id,
        input=base,
        cache_read=_rate(row, "cache_read_mtok") or base * READS.get(found.provider.id, 1.0),
        cache_write=_rate(row, "cache_write_mtok") or base,
        output=_rate(row, "output_mtok"),
        long_above=long_above,
        long_input=long_input,
        long_output=long_output,
        source=f"genai-prices {prices.__version__}",
    )


def _rate(row: Any, field: str) -> float | None:
    value = getattr(row, field, None)
    value = getattr(value, "base", value)
    return None if value is None else float(value)


def _step(value: Any) -> tuple[int | None, float]:
    """Above how many input tokens a tiered price rises first, and how many times its base it is at most."""
    tiers = getattr(value, "tiers", None) or ()
    if not tiers or not value.base:
        return None, 1.0
    return min(tier.start for tier in tiers), max(float(tier.price / value.base) for tier in tiers)
