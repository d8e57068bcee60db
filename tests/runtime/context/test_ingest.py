"""On arrival a text is whole, or a preview of its head and tail with the handle to the rest."""

from __future__ import annotations

import json

import pytest

from satchel.runtime.context import tokens
from satchel.runtime.context.ingest import CAP, SHARE, USER_SHARE, arrive, slimmed
from satchel.runtime.context.message import Message, ToolCall
from satchel.runtime.context.turn import Turn

ROOM = 8_000
LONG = " ".join(f"word{n}" for n in range(20_000))


def handle(seq: int) -> str:
    return f"res:{seq:09d}"


def reply(*results: str, args: object = None, said: str = "", opaque: object = None, cap: int | None = None) -> Turn:
    calls = tuple(ToolCall(f"c{n}", "look", args or {"n": n}) for n in range(len(results)))
    answers = tuple(Message("tool", text, call_id=f"c{n}", name="look") for n, text in enumerate(results))
    seqs = (1, *range(100, 100 + len(results)))
    messages = (Message("assistant", said, calls, opaque=opaque), *answers)
    return Turn(messages, seqs, tuple(range(2, 2 + len(results))), (cap,) * len(results) if cap else ())


def test_what_fits_stays_the_very_same_turn() -> None:
    turn = reply("one", "two")
    assert arrive(turn, ROOM, handle) is turn


def test_only_the_large_text_of_a_turn_is_cut() -> None:
    turn = reply("small", LONG)
    shown = arrive(turn, ROOM, handle)
    assert shown.messages[1] is turn.messages[1]
    assert "res:000000101" in shown.messages[2].content
    assert shown.size <= ROOM * SHARE + 100


@pytest.mark.parametrize("count", [2, 5, 40])
def test_a_crowded_turn_shares_its_room_evenly(count: int) -> None:
    shown = arrive(reply(*[f"{n} {LONG}" for n in range(count)]), ROOM, handle)
    sizes = [tokens.count(m.content) for m in shown.messages[1:]]
    assert max(sizes) - min(sizes) < 60
    assert shown.size <= max(ROOM * SHARE, count * 110) + 200


def test_no_text_takes_more_than_the_cap_however_wide_the_room() -> None:
    assert tokens.count(arrive(reply(LONG), 10**6, handle).messages[1].content) <= CAP + 32


def test_a_tool_may_set_a_lower_cap() -> None:
    assert tokens.count(arrive(reply(LONG[:4_000], cap=100), ROOM, handle).messages[1].content) <= 132


def test_words_of_the_user_have_a_share_of_the_room() -> None:
    turn = Turn((Message("user", LONG),), (7,))
    shown = arrive(turn, ROOM, handle)
    assert "res:000000007" in shown.messages[0].content
    assert shown.size <= ROOM * USER_SHARE + 48
    assert arrive(Turn((Message("user", LONG[:3_000]),), (7,)), ROOM, handle).messages[0].content == LONG[:3_000]


def test_results_are_slimmed_and_nothing_else_is() -> None:
    rows = json.dumps([{"id": n, "state": "open"} for n in range(40)])
    turn = reply("short", rows, said=rows, args={"text": rows})
    shown = slimmed(turn)
    assert shown.messages[:2] == turn.messages[:2]
    assert (
        shown.messages[2].content
        == '{"each":{"state":"open"},"columns":["id"],"rows":[' + ",".join(f"[{n}]" for n in range(40)) + "]}"
    )
    assert slimmed(reply("one", "two")) != turn


def test_a_turn_without_anything_to_spare_stays_the_very_same() -> None:
    turn = reply("one", LONG[:3_000])
    assert slimmed(turn) is turn


def test_binary_is_described_even_if_it_would_fit() -> None:
    image = "iVBORw0KGgo" + "Q2F0" * 400
    shown = arrive(reply(f"before {image} after"), ROOM, handle).messages[1].content
    assert shown == "before [base64, PNG image, 1,611 characters not shown; whole text: res:000000100] after"


def test_huge_arguments_are_previewed_field_by_field() -> None:
    shown = arrive(reply("ok", args={"path": "a.txt", "text": LONG}), ROOM, handle)
    args = shown.messages[0].calls[0].args
    assert args["path"] == "a.txt"
    assert "res:000000002" in args["text"]


@pytest.mark.parametrize(
    "args", [LONG, [LONG], {f"k{n}": n for n in range(9_000)}], ids=["text", "list", "thousands of names"]
)
def test_arguments_without_large_fields_become_one_preview(args: object) -> None:
    shown = arrive(reply("ok", args=args), ROOM, handle)
    assert "res:000000002" in json.dumps(shown.messages[0].calls[0].args)
    assert shown.size <= ROOM * SHARE + 200


def test_opaque_replies_go_back_unmodified() -> None:
    turn = reply(LONG, said=LONG[:60_000], opaque={"signature": "s"})
    assert arrive(turn, ROOM, handle).messages[0] is turn.messages[0]
