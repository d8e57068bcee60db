"""The epoch of the stateful mode: turns since the last fold, with what a fold would make of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Self

from satchel.runtime.context.block import FRAME

if TYPE_CHECKING:
    from collections.abc import Sequence

    from satchel.runtime.context.item import Item
    from satchel.runtime.context.turn import Turn


SLACK = 1.1
"""Sizes of forms are estimates: what rows and handles need is given a tenth more."""

LINES = 28
"""Tokens of the lines that open and close a block and its tables, about."""

INDEX = 0.25
"""Tokens of names for each token of text that a block leaves behind handles.

Measured on recorded coding runs at +12000: 0.10 lost half a point of recall, 0.40 cost 4 % more dollars for none.
"""


class Taken(NamedTuple):
    """A turn as it is shown and the items that a fold would make of it; sizes in tokens.

    `dense` is what a block of the items takes before names: what hides nothing, rows and lists in full, of all else the
    handles; `hidden` is what only the handles lead to, `fresh` are the names in it that stood nowhere before. `behind`
    tells whether there would be any handle.
    """

    turn: Turn
    items: tuple[Item, ...]
    size: int
    dense: int
    hidden: int
    fresh: float
    behind: bool

    @classmethod
    def of(cls, turn: Turn, items: tuple[Item, ...], known: set[str]) -> Self:
        """A turn and its items, measured; its names are added to those that are `known`."""
        names = {name.text: name.size for item in items for name in item.names if name.text not in known}
        known.update(names)
        dense = sum((item.form("row", "list", "user") or item.whole or item.bare).size for item in items)
        hidden = sum(item.hidden for item in items)
        fresh = sum(names.values()) + sum(item.said for item in items)
        return cls(turn, items, turn.size, dense, hidden, fresh, any(item.whole is None for item in items))


def newest(epoch: Sequence[Taken]) -> int:
    """Where the newest turn begins: the last reply with its results, and what the user has said since."""
    last = (n for n in range(len(epoch) - 1, -1, -1) if not epoch[n].turn.is_user)
    return next(last, max(0, len(epoch) - 1))


def block_size(old: Sequence[Taken]) -> int:
    """Tokens that a block of these turns may take, with names for what it leaves behind handles."""
    return int(sum(t.dense for t in old) * SLACK) + FRAME + int(INDEX * sum(t.hidden for t in old))


def expected(old: Sequence[Taken]) -> int:
    """Tokens that a block of these turns will take: it has no more names than there are new ones."""
    names = min(INDEX * sum(t.hidden for t in old), sum(t.fresh for t in old))
    return int(sum(t.dense for t in old) + names) + LINES
