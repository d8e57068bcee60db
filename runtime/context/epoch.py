"""The epoch of the stateful mode: turns since the last fold, with what a fold would make of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import Sequence

    from satchel.runtime.context.item import Item
    from satchel.runtime.context.turn import Turn


SLACK = 1.1
"""Sizes of forms are estimates: what rows and handles need is given a tenth more."""

INDEX = 0.25
"""Tokens of names for each token of text that a block leaves behind handles.

Measured on recorded coding runs at +12000: 0.10 lost half a point of recall, 0.40 cost 4 % more dollars for none.
"""


NAMES = 60
"""Tokens of names for which a block has room in any case, if it leaves a text behind a handle."""


class Taken(NamedTuple):
    """A turn as it is shown and the items that a fold would make of it; sizes in tokens.

    `dense` is what a block of the items takes before names: what hides nothing, rows and lists in full, of all else the
    handles; `hidden` is what only the handles lead to. `behind` tells whether there would be any.
    """

    turn: Turn
    items: tuple[Item, ...]
    size: int
    dense: int
    hidden: int
    behind: bool

    @classmethod
    def of(cls, turn: Turn, items: tuple[Item, ...]) -> Self:
        """A turn and its items, measured."""
        dense = sum((item.form("row", "list", "user") or item.whole or item.bare).size for item in items)
        hidden = sum(item.hidden for item in items)
        return cls(turn, items, turn.size, dense, hidden, any(item.whole is None for item in items))


def newest(epoch: Sequence[Taken]) -> int:
    """Where the newest turn begins: the last reply with its results, and what the user has said since."""
    last = (n for n in range(len(epoch) - 1, -1, -1) if not epoch[n].turn.is_user)
    return next(last, max(0, len(epoch) - 1))


def block_size(old: Sequence[Taken]) -> int:
    """Tokens of a block of these turns, with names for what it leaves behind handles."""
    hidden = sum(t.hidden for t in old)
    return int(sum(t.dense for t in old) * SLACK) + (NAMES + int(INDEX * hidden) if hidden else 0)
