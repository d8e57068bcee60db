"""Names worth keeping: what reads as one, and which of them are likelier to be needed again."""

from __future__ import annotations

import pytest

from satchel.runtime.context.symbols import LONGEST, MOST, Lexicon, names


@pytest.mark.parametrize(
    "name", ["src/app/main.ts", "createSession", "user_id", "2026-11-21", "249.50", "HTTP", "@scope/pkg", "v1.2"]
)
def test_identifiers_paths_dates_and_amounts_are_names(name: str) -> None:
    assert names(f"see {name} there") == (name,)


@pytest.mark.parametrize("word", ["there", "Session", "42", "a1", "-", "...", "x" * (LONGEST + 1) + "_"])
def test_plain_words_and_small_numbers_are_none(word: str) -> None:
    assert names(f"see {word} there") == ()


def test_each_name_counts_once_in_the_order_of_the_text_and_their_number_is_bounded() -> None:
    assert names("beta_1 alpha_1 beta_1 gamma_1") == ("beta_1", "alpha_1", "gamma_1")
    assert len(names(" ".join(f"name_{n}" for n in range(MOST + 50)))) == MOST


def test_a_handle_in_a_text_is_no_name() -> None:
    assert names("look at res:123456789 or res:abcd, then at alpha_1") == ("alpha_1",)


def test_a_name_that_was_used_or_seen_again_weighs_more_and_age_makes_it_lighter() -> None:
    lexicon = Lexicon()
    lexicon.note(1, ["old_1", "again_1", "used_1", "12345"], [])
    lexicon.note(2, ["again_1", "new_1"], ["used_1"])
    weight = {name: lexicon.weight(name, 3) for name in ("old_1", "again_1", "used_1", "new_1", "12345", "never_1")}
    assert weight["again_1"] > weight["new_1"] > weight["old_1"] > weight["12345"] > weight["never_1"] == 0
    assert weight["used_1"] > weight["old_1"]
    assert lexicon.weight("new_1", 50) < weight["new_1"]


def test_what_is_forgotten_weighs_nothing() -> None:
    lexicon = Lexicon()
    lexicon.note(1, ["kept_1", "lost_1"], [])
    lexicon.forget(["kept_1"])
    assert lexicon.weight("kept_1", 2) > 0 == lexicon.weight("lost_1", 2)
