"""The strategies over one thread's turns: everything, a window, a mask, and digest with epoch."""

from __future__ import annotations

import json
import re
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from satchel.evals.reader import Listing, Row, digests
from satchel.memory.handles import ref
from satchel.runtime.context import recall, tokens
from satchel.runtime.context.context import Context
from satchel.runtime.context.folding import ENTRY
from satchel.runtime.messages_langchain import Layout
from satchel.runtime.providers import provider
from tests.invariants import chats
from tests.invariants.chats import SALT, TAG, Chat


def step(n: int, result: str, **args: object) -> tuple[str, list[tuple[str, object, str]]]:
    return ("", [("look", args or {"id": f"item_{n}"}, result)])


def folded(*entries: object, room: int = 8_000) -> Context:
    """A context after these entries, folded once with the last entry kept."""
    made = chats.fresh("stateful", chats.fixed_tokens() + room)
    for turn in Chat(tuple(entries)).turns():
        made.add(turn)
    assert made.past.fold(room, chats.PAGES)
    return made


def test_window_shows_the_task_and_the_last_three_turns() -> None:
    made = chats.fresh("window", 10**6)
    for turn in Chat(("task", *[step(n, f"r{n}") for n in range(6)])).turns():
        made.add(turn)
    assert [m.content for m in made.prompt().messages if m.role in ("user", "tool")] == ["task", "r3", "r4", "r5"]


def test_mask_leaves_old_results_out_and_keeps_their_calls() -> None:
    made = chats.fresh("mask", 10**6)
    for turn in Chat(("task", *[step(n, f"r{n}\nmore") for n in range(12)])).turns():
        made.add(turn)
    shown = [m.content for m in made.prompt().messages if m.role == "tool"]
    assert shown == ["(old result left out: 2 lines)"] * 2 + [f"r{n}\nmore" for n in range(2, 12)]


def test_a_fold_keeps_the_task_and_the_newest_turn_as_they_were() -> None:
    made = folded("the task", step(1, "old"), step(2, "new"))
    task, reply, result = made.past.messages()
    assert task.content.startswith(f"the task\n\n[satchel {TAG} summary of earlier turns")
    assert task.content.endswith(f"[/satchel {TAG} up to turn 1]")
    assert (reply.calls[0].args, result.content) == ({"id": "item_2"}, "new")


def test_rows_of_one_tool_share_a_header_and_read_back() -> None:
    made = folded("go", *[step(n, f'{{"price": {n}, "name": "a, {n}"}}') for n in range(3)], step(9, "new"))
    assert digests(made.past.messages()[0].content) == tuple(
        Row("look", (f"item_{n}",), {"price": str(n), "name": f"a, {n}"}) for n in range(3)
    )
    assert made.past.digest.text.count("@ look(id)") == 1


def grown(*entries: object) -> tuple[Context, list[str]]:
    """A context after these entries, folded after every sixth, and the pages of handles that this made."""
    made, pages = chats.fresh("stateful", chats.fixed_tokens() + 8_000), []
    for n, turn in enumerate(Chat(("go", *entries)).turns()):
        made.add(turn)
        if n and n % 6 == 0:
            assert made.past.fold(8_000, chats.PAGES + n)
            pages += [made.past.digest.page] if made.past.digest.page else []
        made.past.sent()
    return made, pages


def rows_of(made: Context) -> list[Row]:
    return [part for part in digests(made.past.digest.text) if isinstance(part, Row)]


def test_rows_of_a_further_block_stand_under_the_header_of_the_block_before() -> None:
    made, _ = grown(*[step(n, f'{{"price": {n}}}') for n in range(12)])
    assert made.past.digest.blocks == 2
    assert made.past.digest.text.count("@ look(id)") == 1
    assert len(re.findall(rf"\[/?satchel {TAG}", made.past.digest.text)) == 2
    assert [row.args for row in rows_of(made)] == [(f"item_{n}",) for n in range(11)]


def test_a_further_block_leaves_the_parts_before_it_as_a_provider_with_marks_has_cached_them() -> None:
    """The mark stands where the digest ends, ahead of its last line, which each fold changes."""
    layout, sent = Layout("ChatAnthropic", provider("ChatAnthropic", "claude-opus-5")), []
    for count in (6, 12, 18):
        made, _ = grown(*[step(n, json.dumps({"price": n})) for n in range(count)])
        blocks = layout.prompt([*made.past.messages()])[0].content
        sent.append([(block["text"], "cache_control" in block) for block in blocks if isinstance(block, dict)])
    for before, after in pairwise(sent):
        assert [text for text, _ in after[: len(before) - 1]] == [text for text, _ in before[:-1]]
    for parts in sent:
        assert [marked for _, marked in parts] == [False] * (len(parts) - 2) + [True, False]
        assert parts[-1][0].startswith(f"[/satchel {TAG} up to turn ")
    assert [len(parts) for parts in sent] == [2, 3, 4]


def test_a_value_that_a_header_holds_for_all_rows_holds_for_those_of_the_next_block() -> None:
    prices = [7] * 9 + [*range(9, 18)]
    made, _ = grown(*[step(n, f'{{"price": {price}}}') for n, price in enumerate(prices)])
    assert [row.columns["price"] for row in rows_of(made)] == [*map(str, prices[:-1])]
    assert made.past.digest.text.count("@ look(id) -> price=7\n") == 1


def test_a_digest_that_would_be_much_shorter_is_written_anew_and_the_handles_of_its_rows_stand_in_a_page() -> None:
    """A list says again what became a row later on, and each row has a handle to what it leaves out."""
    names = json.dumps([f"item_{n}" for n in range(200)])
    rows = [step(n, json.dumps({"price": n, "notes": "as it was found " * 9})) for n in range(119)]
    made, pages = grown(("", [("list", {}, names)]), *rows)
    digest = made.past.digest
    lists = [part for part in digests(digest.text) if isinstance(part, Listing)]
    assert digest.blocks < 12
    assert [row.args for row in rows_of(made)] == [(f"item_{n}",) for n in range(118)]
    assert [part.rest[-1] for part in lists] == ["item_199"]
    assert len(digest.text) < 118 * 30 + 100 * 10
    assert "index of rows up to turn" in digest.text
    there = " ".join([digest.text, *pages])
    assert all(ref(SALT, 7 + 3 * n) in there for n in range(118))


def test_a_list_whose_values_stand_elsewhere_carries_its_handle() -> None:
    """Which values were in it, and in what order, can be read again."""
    rows = [step(n, f'{{"price": {n}}}') for n in range(3)]
    made = folded("go", step(7, '["item_0", "item_1", "x"]'), *rows, step(9, "new"))
    assert Listing("look", 3, ("x",)) in digests(made.past.messages()[0].content)
    assert ref(SALT, 4) in made.past.digest.text


def test_an_older_call_with_the_same_arguments_keeps_only_its_handle() -> None:
    made = folded("go", step(1, "before"), step(1, "after"), step(2, "new"))
    assert "after" in made.past.digest.text
    assert "before" not in made.past.digest.text
    assert ref(SALT, 4) in made.past.digest.text


def price(n: int, stock: str, value: int) -> tuple[str, list[tuple[str, object, str]]]:
    return step(n, f"The price of {stock} is now {value} crowns.\n" + "Some words of the paper_feed. " * 20)


def test_of_what_is_stated_again_the_latest_stands() -> None:
    made = folded("go", price(1, "BE-71", 1111), price(2, "CE-82", 2222), price(3, "BE-71", 3333), step(9, "new"))
    assert "3333" in made.past.digest.text
    assert "1111" not in made.past.digest.text
    assert ref(SALT, 4) in made.past.digest.text


def test_what_replaces_a_statement_of_an_earlier_block_is_shown_in_the_next() -> None:
    """And goes on to be when all is written anew, however little room there is."""
    made = folded("go", price(1, "BE-71", 1111), *[step(n, f'{{"price": {n}}}') for n in range(9)], step(98, "new"))
    fresh = [price(n, f"XE-{n}", n + 4000) for n in range(100, 140)]
    for turn in chats.Chat((price(50, "BE-71", 3333), *fresh, step(99, "new"))).turns():
        made.past.add(turn, 8_000)
    assert made.past.fold(8_000, chats.PAGES)
    assert made.past.digest.blocks == 2
    assert "The price of BE-71 is now 3333 crowns." in made.past.digest.text
    assert made.past.fold(1_500, chats.PAGES + 1, deep=True)
    assert made.past.digest.blocks == 1
    assert "3333" in made.past.digest.text
    assert "1111" not in made.past.digest.text


def test_words_of_the_user_and_of_the_model_say_whose_they_are() -> None:
    made = folded("go", ("I will look.", step(1, "r")[1]), "only red ones\nplease", step(2, "new"))
    assert "user, turn 1: only red ones\n| please" in made.past.digest.text
    assert "you, turn 1: I will look." in made.past.digest.text


def test_words_after_the_newest_reply_stay_behind_the_digest() -> None:
    made = chats.fresh("stateful", chats.fixed_tokens() + 8_000)
    for turn in Chat(("go", step(1, "r"), step(2, "s"), "and now?")).turns():
        made.add(turn)
    assert made.past.fold(8_000, chats.PAGES)
    assert [m.role for m in made.past.messages()] == ["user", "assistant", "tool", "user"]


def test_the_certificate_counts_every_text_that_was_dropped() -> None:
    made = folded("go", *[step(n, "long " * 200) for n in range(5)], step(9, "new"))
    assert made.past.digest.certificate == {"texts": 10, "behind": 5, "verbatim": 5, "missing": []}


def test_what_recall_takes_is_known() -> None:
    assert tokens.count_tools([recall.schema()]) == ENTRY


def test_a_page_of_old_handles_is_made_when_they_crowd_the_digest() -> None:
    made = folded("go", *[step(n, f"{n} " + "long " * 200) for n in range(300)], step(999, "new"), room=2_500)
    page = made.past.digest.page
    assert page
    assert ref(SALT, chats.PAGES) in made.past.digest.text
    assert all(re.match(r"turn \d+: |\| ", line) for line in page.splitlines())


CELL = st.text(st.characters(codec="utf-8"), max_size=20)


@settings(max_examples=80)
@given(st.lists(st.tuples(CELL, CELL, st.integers()), min_size=1, max_size=6, unique_by=lambda row: row[0]))
def test_every_row_reads_back_as_it_was(rows: list[tuple[str, str, int]]) -> None:
    made = folded("go", *[step(0, json.dumps({"a": a, "n": n}), q=q) for q, a, n in rows], step(9, "new"))
    found = {
        part.args: dict(part.columns) for part in digests(made.past.messages()[0].content) if isinstance(part, Row)
    }
    assert found == {(q,): {"a": a, "n": str(n)} for q, a, n in rows}


def test_the_arguments_of_a_call_that_gave_a_list_are_kept() -> None:
    """Shown, or behind their handle: two lists of one tool must not look alike."""
    made = folded("go", step(1, '["red", "blue"]'), step(2, '["green"]'), step(9, "new"))
    for seq, value in ((3, "item_1"), (6, "item_2")):
        assert value in made.past.digest.text or ref(SALT, seq) in made.past.digest.text
