"""Prompt texts: rendered strictly, versioned by content, and short, since each token is paid for in each turn."""

from __future__ import annotations

import re

import pytest

from satchel.memory.errors import ConfigError
from satchel.prompts import render, version
from satchel.prompts.render import names
from satchel.runtime.context import tokens

VALUES = {
    "late": {"name": "pay"},
    "unsettled": {"name": "refund"},
    "uncertain": {"name": "pay"},
    "cancelled": {"name": "pay"},
    "refused": {"name": "pay", "budget": "tool_calls"},
    "block": {"tag": "k3v9", "recall": ". recall reads the text behind a res: handle"},
    "end": {"tag": "k3v9", "turns": "128"},
    "notes": {"tag": "k3v9"},
    "prose": {"tag": "k3v9"},
    "schema": {"name": "pay", "description": "Pay.", "schema": "its schema"},
    "unseen": {"name": "pay"},
    "summary": {"tag": "k3v9", "recall": ". recall reads the text behind a res: handle"},
    "state": {"tag": "k3v9", "state": "12 steps, 30 tool calls left"},
}


@pytest.mark.parametrize("name", names())
def test_each_text_renders_with_its_values_and_keeps_no_place_open(name: str) -> None:
    text = render(name, **VALUES.get(name, {}))
    assert text
    assert not re.search(r"[{}]", text)
    assert text == text.strip()


def test_the_texts_are_those_the_runtime_asks_for() -> None:
    asked = (
        "block cancelled continue end final_answer handles late note noted notes progress prose recall refused schema"
    )
    assert names() == (*asked.split(), "state", "summarise", "summary", "uncertain", "unseen", "unsettled")


@pytest.mark.parametrize(
    ("name", "limit"),
    [("progress", 120), ("summary", 70), ("block", 20), ("end", 20), ("notes", 30), ("prose", 30), ("state", 30)],
)
def test_texts_that_are_paid_for_each_turn_are_short(name: str, limit: int) -> None:
    assert tokens.count(render(name, **VALUES.get(name, {}))) <= limit


@pytest.mark.parametrize("name", ["summary", "block", "end", "notes", "prose", "state"])
def test_lines_of_the_runtime_are_one_line_in_brackets_with_the_tag(name: str) -> None:
    assert re.fullmatch(r"\[/?satchel k3v9\b[^\n]*\]", render(name, **VALUES[name]))


def test_a_missing_value_is_an_error_that_names_it() -> None:
    with pytest.raises(ConfigError, match="needs state; render it with state, tag"):
        render("state", tag="k3v9")


def test_an_unused_value_is_an_error_that_names_it() -> None:
    with pytest.raises(ConfigError, match="no place for colour; render it with no values"):
        render("progress", colour="red")


def test_an_unknown_text_is_an_error_with_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match="did you mean 'summary'"):
        render("sumary")


def test_values_are_never_expanded_again() -> None:
    assert render("state", tag="k3v9", state="{tag} {0.__class__}") == "[satchel k3v9 now: {tag} {0.__class__}]"


def test_the_version_follows_the_content() -> None:
    versions = {name: version(name) for name in names()}
    assert all(re.fullmatch("[0-9a-f]{12}", found) for found in versions.values())
    assert len(set(versions.values())) == len(versions)
