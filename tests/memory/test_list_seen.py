"""What counts as the same item: the same object, and nothing in it changed that anybody could see."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage

from satchel.memory.list_seen import BLOCK, Seen

if TYPE_CHECKING:
    from collections.abc import Callable


class Validating(HumanMessage, validate_assignment=True):
    """A message that gets a new dict of fields whenever one is set."""


UNSURE: dict[str, Callable[[], Any]] = {
    "an artifact": lambda: ToolMessage("a", tool_call_id="1", artifact=SimpleNamespace(n=1)),
    "a set in a message": lambda: HumanMessage("a", additional_kwargs={"n": {1, 2}}),
    "a message that validates": lambda: Validating(content="a"),
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


def test_a_change_costs_its_block_alone() -> None:
    items = [HumanMessage(f"{n}") for n in range(3 * BLOCK)]
    seen = Seen(items)
    items[BLOCK].name = "changed"
    assert sorted(seen.places().values()) == [*range(BLOCK), *range(2 * BLOCK, 3 * BLOCK)]
