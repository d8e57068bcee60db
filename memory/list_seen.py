"""What was seen of a list's items, so that those that are still what they were need not be serialised again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from operator import is_

from langchain_core.messages import BaseMessage

_SIMPLE = frozenset((str, int, float, bool, bytes, type(None)))


class Seen:
    """Items, and what each was made of when it was seen.

    An item is still the same if it is the same object, of a message also the values of its fields, and if the lists
    and dicts in it are equal (`==`) to a copy. What is no message, list, dict or simple value is never the same. A list
    that only grew is compared as a whole, without a step of the interpreter for each item.
    """

    __slots__ = ("_copies", "_dicts", "_empty", "_items", "_marks", "_parts", "_values")

    def __init__(self, items: Iterable[object] = ()) -> None:
        self._marks: list[_Mark] = []
        self._items: list[object] = []
        self._dicts: list[dict[str, object]] = []
        self._values: list[object] = []
        self._empty: list[object] = []
        self._parts: list[object] = []
        self._copies: list[object] = []
        self.add(items)

    def add(self, items: Iterable[object]) -> None:
        """Remember more items as they are now."""
        for item in items:
            mark = _Mark(item)
            self._marks.append(mark)
            self._items.append(item)
            self._dicts += mark.dicts
            self._values += mark.values
            self._empty += mark.empty
            self._parts += mark.parts
            self._copies += mark.copies

    def still(self, items: Sequence[object]) -> bool:
        """Whether the list begins with all that was seen, and each is the same."""
        return (
            len(items) >= len(self._items)
            and all(map(is_, self._items, items))
            and _same(self._dicts, self._values)
            and not any(self._empty)
            and self._parts == self._copies
        )

    def places(self) -> dict[int, int]:
        """Where each item stands that is the same, by its identity."""
        return {id(mark.item): n for n, mark in enumerate(self._marks) if mark.holds()}


class _Mark:
    """One item: its fields and their values, its lists and dicts that are empty, and the others with a copy of each."""

    __slots__ = ("copies", "dicts", "empty", "item", "parts", "values")

    def __init__(self, item: object) -> None:
        self.item = item
        self.dicts = [item.__dict__] if isinstance(item, BaseMessage) else []
        self.values = [value for fields in self.dicts for value in fields.values()]
        inner = [*self.values, item.__pydantic_extra__] if isinstance(item, BaseMessage) else [item]
        deep = [value for value in inner if type(value) not in _SIMPLE]
        self.empty = [value for value in deep if type(value) in {list, dict} and not value]
        self.parts = [value for value in deep if type(value) not in {list, dict} or value]
        self.copies = [_copy(part) for part in self.parts]

    def holds(self) -> bool:
        """Whether it is still the same."""
        return _same(self.dicts, self.values) and not any(self.empty) and self.parts == self.copies


def _same(dicts: list[dict[str, object]], values: list[object]) -> bool:
    """Whether dicts have values still that are equal to these, and no others."""
    return list(chain.from_iterable(map(dict.values, dicts))) == values


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
