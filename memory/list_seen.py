"""What was seen of a list's items, so that those that are still what they were need not be serialised again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import is_

from langchain_core.messages import BaseMessage

BLOCK = 64
"""Items that are compared at once: few enough to stay in the processor's nearest memory."""

_SIMPLE = frozenset((str, int, float, bool, bytes, type(None)))


class Seen:
    """Items, and what each was made of when it was seen.

    An item is still the same if it is the same object, and what it is made of is equal (`==`): the fields of a message,
    and the lists, dicts and simple values in it. Of what has anything else in it nobody can say so. Items are compared
    in blocks, without a step of the interpreter for each; a block in which one has changed is none that is the same.
    """

    __slots__ = ("_blocks",)

    def __init__(self, items: Iterable[object] = ()) -> None:
        self._blocks: list[_Block] = []
        self.add(items)

    def add(self, items: Iterable[object]) -> None:
        """Remember more items as they are now."""
        for item in items:
            if not self._blocks or len(self._blocks[-1].items) == BLOCK:
                self._blocks.append(_Block())
            self._blocks[-1].add(item)

    def still(self, items: Sequence[object]) -> bool:
        """Whether the list begins with all that was seen, and each is the same."""
        rows = ((block, items[n * BLOCK : (n + 1) * BLOCK]) for n, block in enumerate(self._blocks))
        return all(
            len(row) >= len(block.items) and all(map(is_, block.items, row)) and block.same() for block, row in rows
        )

    def places(self) -> dict[int, int]:
        """Where each item stands that is the same, by its identity."""
        rows = ((n * BLOCK, block.items) for n, block in enumerate(self._blocks) if block.same())
        return {id(item): first + n for first, items in rows for n, item in enumerate(items)}


class _Block:
    """Some items, what can be seen of them (fields of messages, else the items themselves), and copies of that."""

    __slots__ = ("_copies", "_parts", "items")

    def __init__(self) -> None:
        self.items: list[object] = []
        self._parts: list[object] = []
        self._copies: list[object] = []

    def add(self, item: object) -> None:
        self.items.append(item)
        parts: list[object] = [item]
        # what validates assignments gets a new dict of fields with each
        if isinstance(item, BaseMessage) and not item.model_config.get("validate_assignment"):
            parts = [item.__dict__, item.__pydantic_extra__]
        for part in parts:
            if type(part) not in _SIMPLE:
                self._parts.append(part)
                self._copies.append(_copy(part))

    def same(self) -> bool:
        return self._parts == self._copies


def _copy(part: object) -> object:
    """A copy of lists, dicts and simple values; of anything else what equals nothing."""
    if type(part) is list:
        return [_copy(value) for value in part]
    if type(part) is dict:
        return {key: _copy(value) for key, value in part.items()}
    return part if type(part) in _SIMPLE else _Other()


class _Other:
    """Equal to nothing."""

    __hash__ = None  # type: ignore[assignment]  # as for all that defines equality

    def __eq__(self, other: object) -> bool:
        return False
