"""What was seen of a list's items, so that those that are still what they were need not be serialised again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from operator import is_

from langchain_core.messages import BaseMessage

_SIMPLE = frozenset((str, int, float, bool, bytes, type(None)))
_NO_LIST: list[object] = []
_NO_DICT: dict[object, object] = {}


class Seen:
    """Items, and what each was made of when it was seen.

    An item is still the same if it is the same object, and what it is made of is equal (`==`): the fields of a message,
    and the lists, dicts and simple values in it. Of what has anything else in it nobody can say so. All are compared at
    once, without a step of the interpreter for each.
    """

    __slots__ = ("_copies", "_items", "_parts")

    def __init__(self, items: Iterable[object] = ()) -> None:
        self._items: list[object] = []
        self._parts: list[object] = []  # two of each item: fields and extra fields of a message, else itself and None
        self._copies: list[object] = []
        self.add(items)

    def add(self, items: Iterable[object]) -> None:
        """Remember more items as they are now."""
        for item in items:
            parts = _parts(item)
            self._items.append(item)
            self._parts += parts
            self._copies += map(_copy, parts)

    def still(self, items: Sequence[object]) -> bool:
        """Whether the list begins with all that was seen, and each is the same."""
        same = len(items) >= len(self._items) and all(map(is_, self._items, items))
        return same and _equal(self._copies, self._parts)

    def places(self) -> dict[int, int]:
        """Where each item stands that is the same, by its identity."""
        pairs = map(_equal, self._copies, self._parts)
        same = (one and other for one, other in zip(pairs, pairs, strict=True))
        return {id(item): n for n, (item, is_same) in enumerate(zip(self._items, same, strict=True)) if is_same}

    def rearranged(self, items: Sequence[object], known: Mapping[int, int]) -> Seen:
        """What is seen of other items, those that are known to be the same (`places`) taken over."""
        seen = Seen()
        for item in items:
            n = known.get(id(item))
            if n is None:
                seen.add([item])
            else:
                seen._items.append(item)
                seen._parts += self._parts[2 * n : 2 * n + 2]
                seen._copies += self._copies[2 * n : 2 * n + 2]
        return seen


def _parts(item: object) -> tuple[object, object]:
    # what validates assignments gets a new dict of fields with each
    if isinstance(item, BaseMessage) and not item.model_config.get("validate_assignment"):
        return item.__dict__, item.__pydantic_extra__
    return item, None


def _copy(part: object) -> object:
    """A copy of lists, dicts and simple values, all empty ones the same; of anything else what equals nothing."""
    if type(part) is list:
        return [_copy(value) for value in part] or _NO_LIST
    if type(part) is dict:
        return {key: _copy(value) for key, value in part.items()} or _NO_DICT
    return part if type(part) in _SIMPLE else _Other()


def _equal(copy: object, part: object) -> bool:
    try:
        return bool(copy == part)  # the copy is asked first: anything may stand in the other
    except Exception:  # noqa: BLE001 - what cannot be compared is not the same
        return False


class _Other:
    """Equal to nothing."""

    __hash__ = None  # type: ignore[assignment]  # as for all that defines equality

    def __eq__(self, other: object) -> bool:
        return False
