"""Hypothesis attacks the snapshot: a past restored from any fold goes on exactly as the one that was never closed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from satchel.memory.shapes import build, flat
from satchel.runtime.context.context import Overflow
from satchel.runtime.context.folding import Kept
from satchel.runtime.context.turn import Turn
from tests.invariants import chats
from tests.invariants.chats import PAGES, STATE, Chat
from tests.invariants.test_context import ROOMS, SURFACE, attack


def asked(turn: Turn) -> bool:
    """Whether a model call gave this turn."""
    return turn.messages[0].role == "assistant"


@attack(30)
@given(chat=chats.chats(), room=ROOMS)
def test_a_past_restored_at_a_fold_goes_on_byte_for_byte(chat: Chat, room: int) -> None:
    usual, restored = chats.fresh("stateful", SURFACE + room), chats.fresh("stateful", SURFACE + room)
    for n, turn in enumerate(chat.turns()):
        if asked(turn):
            try:
                expected = usual.prompt(state=STATE, page_seq=PAGES + 10 * n)
            except Overflow:
                return
            if expected.folds and (kept := usual.past.kept()):
                restored = chats.fresh("stateful", SURFACE + room)
                restored.past.restore(build(Kept, flat(kept)))
                assert [m.wire() for m in restored.past.messages()] == [m.wire() for m in usual.past.messages()]
            else:
                again = restored.prompt(state=STATE, page_seq=PAGES + 10 * n)
                assert again.folds == expected.folds
                assert again.size == expected.size
                assert [m.wire() for m in again.messages] == [m.wire() for m in expected.messages]
        usual.add(turn)
        restored.add(turn)


@attack(30)
@given(value=st.recursive(st.none() | st.integers() | st.text(max_size=8), lambda v: st.lists(v, max_size=6)))
def test_what_is_no_snapshot_is_refused_by_its_reader(value: object) -> None:
    try:
        build(Kept, value)
    except (TypeError, ValueError):
        return
    raise AssertionError("read as the state of a past")
