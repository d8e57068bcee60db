"""Names worth keeping: what reads as one, and which of them are likelier to be needed again."""

from __future__ import annotations

import pytest

from satchel.runtime.context.symbols import LONGEST, MOST, Lexicon, Name, lead, names, topic, words, woven


def texts(text: str) -> tuple[str, ...]:
    return tuple(name.text for name in names(text))


@pytest.mark.parametrize(
    "name", ["src/app/main.ts", "createSession", "user_id", "2026-11-21", "249.50", "HTTP", "@scope/pkg", "v1.2"]
)
def test_identifiers_paths_dates_and_amounts_are_names(name: str) -> None:
    assert texts(f"see {name} there") == (name,)


@pytest.mark.parametrize("word", ["there", "Session", "42", "a1", "-", "...", "x" * (LONGEST + 1) + "_"])
def test_plain_words_and_small_numbers_are_none(word: str) -> None:
    assert names(f"see {word} there") == ()


def test_each_name_counts_once_in_the_order_of_the_text_and_their_number_is_bounded() -> None:
    assert texts("beta_1 alpha_1 beta_1 gamma_1") == ("beta_1", "alpha_1", "gamma_1")
    assert len(names(" ".join(f"name_{n}" for n in range(MOST + 50)))) == MOST


def test_a_handle_in_a_text_is_no_name() -> None:
    assert texts("look at res:123456789 or res:abcd, then at alpha_1") == ("alpha_1",)


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


def test_a_name_comes_with_the_plain_words_beside_it() -> None:
    assert names("private async openDoor returns at once") == (Name("openDoor", ("async",), ("returns",)),)
    assert names("(the openDoor)") == (Name("openDoor"),)


def test_names_are_woven_into_one_line_that_says_no_word_twice_in_a_row() -> None:
    assert woven(names("import one_1, import two_2, export three_3 as it is")) == "import one_1 two_2 export three_3 as"


def test_a_short_first_sentence_with_a_name_leads() -> None:
    assert lead("Voucher V16996 paid 450.20 crowns. More follows.") == "Voucher V16996 paid 450.20 crowns."
    assert lead("Nothing happened here. V16996 came later.") == ""
    assert lead("def main_1(value): return value. Yes.") == ""
    assert lead("See res:123456789 for A-1. Yes.") == ""


def test_the_words_of_arguments_are_read_without_the_escapes_of_json() -> None:
    assert texts(words({"new": "a\n\tfirst_1\n", "n": 17, "more": ["second_2"]})) == ("first_1", "second_2")


def test_a_sentence_with_other_numbers_is_on_the_same_topic() -> None:
    first = topic("feed", "The price of BE-71 is now 120 crowns.")
    assert first
    assert topic("feed", "The price of BE-71 is now 90.5 crowns.") == first
    assert topic("feed", "The price of BE-81 is now 120 crowns.") != first
    assert topic("mail", "The price of BE-71 is now 120 crowns.") != first


@pytest.mark.parametrize("sentence", ["", "Done.", "The price of BE-71 fell.", "Row 12 was read."])
def test_a_sentence_without_a_number_or_without_a_name_has_no_topic(sentence: str) -> None:
    assert topic("feed", sentence) == ""
