"""What counts as the same item: the same object, and nothing in it changed that anybody could see."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage

from satchel.memory.list_seen import Seen

if TYPE_CHECKING:
    from collections.abc import Callable


class Validating(HumanMessage, validate_assignment=True):
    """A message that gets a new dict of fields whenever one is set."""


class Array:
    """What has no one answer to whether it is equal, as arrays have none."""

    __hash__ = None  # type: ignore[assignment]  # as for all that defines equality

    def __eq__(self, other: object) -> bool:
        raise ValueError(other)


UNSURE: dict[str, Callable[[], Any]] = {
    "an artifact": lambda: ToolMessage("a", tool_call_id="1", artifact=SimpleNamespace(n=1)),
    "a set in a message": lambda: HumanMessage("a", additional_kwargs={"n": {1, 2}}),
    "a message that validates": lambda: Validating(content="a"),
    "an array": Array,
    "an array in a message": lambda: ToolMessage("a", tool_call_id="1", artifact={"n": [Array()]}),
    "an object": lambda: SimpleNamespace(n=1),
    "a list in a tuple": lambda: {"n": (1, [2])},
}


@pytest.mark.parametrize("kind", UNSURE)
def test_what_may_have_changed_unseen_is_never_the_same(kind: str) -> None:
    item = UNSURE[kind]()
    seen = Seen([item])
    assert not seen.still([item])
    assert seen.places() == {}


def test_plain_items_are_the_same_until_they_change() -> None:
    call = {"name": "look", "args": {"at": [1, 2.5, None]}, "id": "1"}
    items: list[Any] = [AIMessage("", tool_calls=[call]), HumanMessage(["a", {"type": "text"}]), "x", 7, None, [], {}]
    seen = Seen(items)
    assert seen.still(items)
    assert seen.still([*items, "more"])
    assert not seen.still(items[:-1])
    assert not seen.still([HumanMessage("other"), *items[1:]])
    items[1].content[1]["text"] = "b"
    assert not seen.still(items)
    items[1].content[1]["text"] = Array()
    assert not seen.still(items)


def test_a_change_costs_its_item_alone_and_the_others_are_taken_over() -> None:
    items: list[Any] = [HumanMessage(f"{n}", additional_kwargs={"n": [n]}) for n in range(4)]
    seen = Seen(items)
    items[1].additional_kwargs["n"].append("more")
    known = seen.places()
    assert sorted(known.values()) == [0, 2, 3]
    items[3].name = "changed since"
    seen = seen.rearranged(items := [items[3], items[1], items[0]], known)
    assert sorted(seen.places().values()) == [1, 2]
    items[1].additional_kwargs["n"].pop()
    assert sorted(seen.places().values()) == [2]
