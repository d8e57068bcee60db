"""Prices: dated data with a source; a bill follows the vendor's rules, and what is unknown stays unknown."""

from __future__ import annotations

import re

import pytest

from satchel.memory.errors import ConfigError
from satchel.memory.records import Usage
from satchel.runtime.prices import STANDING, Price, bill, bill_prompt, find, most, parse_row, row, table


def test_every_price_has_a_source_and_a_date() -> None:
    for name, price in table().items():
        assert price.name == name
        assert price.unit == "usd"
        assert price.source
        assert re.fullmatch(r"20\d\d-\d\d-\d\d", price.date)
        assert 0 < price.cache_read <= price.input <= price.cache_write
        assert price.output is not None


def test_the_standing_rows_are_multiples_of_input() -> None:
    rates = [row(name).rates for name in STANDING]
    assert rates == [(0.10, 1.25), (0.10, 1.0), (0.05, 1.25), (0.02, 1.0), (1.0, 1.0)]
    assert {row(name).unit for name in STANDING} == {"relative"}
    assert [row(name).name for name in STANDING] == list(STANDING)


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("gpt-5", "gpt-5"),
        ("openai:gpt-5", "gpt-5"),
        ("openrouter/openai/gpt-5", "gpt-5"),
        ("gpt-5-2025-08-07", "gpt-5"),
        ("gpt-5-mini-2025-08-07", "gpt-5-mini"),
        ("claude-sonnet-4-5-20250929", "claude-sonnet-4-5"),
        ("anthropic:claude-haiku-4-5-latest", "claude-haiku-4-5"),
        ("google_vertexai:claude-opus-4-5@20251101", "claude-opus-4-5"),
    ],
)
def test_a_model_is_found_by_its_name_provider_and_release_apart(model: str, name: str) -> None:
    price = find(model)
    assert price
    assert price.name == name


@pytest.mark.parametrize("model", ["gpt-5.2", "gpt-5-pro", "claude-opus-5-7", "claude-opus-4", "sim:scripted", "", "x"])
def test_a_relative_of_a_known_model_is_unknown(model: str) -> None:
    assert find(model) is None


def test_a_bill_counts_each_bucket_once() -> None:
    usage = Usage(fresh=1000, cache_read=2000, cache_write=4000, output=300, reasoning=200)
    assert bill(usage, find("claude-sonnet-4-5")) == pytest.approx(
        (1000 * 3 + 2000 * 0.3 + 4000 * 3.75 + 500 * 15) / 1e6
    )


def test_an_unknown_price_is_none_and_not_zero() -> None:
    assert bill(Usage(fresh=1), None) is None
    assert bill_prompt(1, 1, None) is None
    assert most(None, 1, 1) is None


def test_a_row_without_an_output_price_bills_input_alone() -> None:
    usage = Usage(cache_read=1_000_000, cache_write=1_000_000, output=1_000_000)
    assert bill(usage, parse_row("c=.10,w=1.25")) == pytest.approx(1.35)
    assert bill(usage, parse_row("c=.10,w=1.25,o=5")) == pytest.approx(6.35)


def test_a_prompt_is_read_in_whole_blocks_above_the_minimum() -> None:
    gpt = row("gpt-5")
    assert bill_prompt(1300, 700, gpt) == pytest.approx((1280 * 0.125 + 720 * 1.25) / 1e6)
    assert bill_prompt(1023, 977, gpt) == pytest.approx(2000 * 1.25 / 1e6)
    claude = row("claude-sonnet-4-5")
    assert bill_prompt(0, 1000, claude) == pytest.approx(1000 * 3 / 1e6)  # below the minimum nothing is written
    assert bill_prompt(0, 1024, claude) == pytest.approx(1024 * 3.75 / 1e6)


def test_long_input_costs_the_whole_call_more() -> None:
    gemini = row("gemini-2.5-pro")
    assert bill_prompt(0, 200_000, gemini) == pytest.approx(0.25)
    assert bill_prompt(0, 200_001, gemini, output=1000) == pytest.approx((200_001 * 2.5 + 1000 * 15) / 1e6)
    assert bill(Usage(fresh=200_001, output=1000), gemini) == pytest.approx((200_001 * 2.5 + 1000 * 15) / 1e6)


def test_the_most_a_call_can_cost_is_never_below_its_bill() -> None:
    for price in (*table().values(), *map(row, STANDING)):
        for cached, rest in ((0, 5000), (5000, 100), (250_000, 9)):
            billed, bound = bill_prompt(cached, rest, price, output=70), most(price, cached + rest, 70)
            assert billed is not None
            assert bound is not None
            assert billed <= bound + 1e-12


@pytest.mark.parametrize("text", ["c=.1", "c=.1,w=x", "c=-1,w=1", "c=.1,w=1,z=3", "c=.1,c=.1,w=1", "c=.1;w=1"])
def test_a_malformed_row_is_an_error_that_shows_the_form(text: str) -> None:
    with pytest.raises(ConfigError, match=r"not of the form c=\.10,w=1\.25"):
        row(text)


def test_an_unknown_name_is_an_error_with_near_matches() -> None:
    with pytest.raises(ConfigError, match=r"no price for 'claude-sonet-4-5'; the nearest are claude-sonnet-4-5"):
        row("claude-sonet-4-5")
    with pytest.raises(ConfigError, match="there are claude-opus-5-5"):
        row("zzz")


def test_prices_are_frozen() -> None:
    with pytest.raises(AttributeError):
        Price(name="x", input=1, cache_read=1, cache_write=1).input = 2  # type: ignore[misc]  # that is what fails
