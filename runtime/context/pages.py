"""Index pages: texts that list the handles of older items, so that one handle in the prompt leads to many."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from satchel.runtime.context.block import line
from satchel.runtime.context.item import PER_HANDLE, SHORT, Form, Item

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Handle = Callable[[int], str]

ABOVE, TO = 0.9, 0.5
"""Share of the digest that bare handles may take, and to which a page of the oldest brings them down."""

ROWS = 32
"""Rows from which on their handles stand in a page: only in long threads, for until then each is asked for directly.
Without such pages Opaque Knapsack costs 1.5 % more at 46 turns, 4 and 6 % more at 200 and 365."""


def paged(every: list[Item], limit: int, said: int, handle: Handle, seq: int) -> tuple[list[Item], str | None]:
    """The items with the oldest behind a page numbered `seq`, if bare handles take too much of `limit` tokens.

    `said` are the tokens that words of the user take. Without such a page, that of `shelved`.
    """
    bare = sum(item.bare.size + item.said * item.now for item in every)
    if bare <= limit * ABOVE - said:
        return shelved(every, handle, seq)
    old: list[Item] = []
    stay: list[Item] = []
    n = 0
    while n < len(every) - 1 and bare > limit * TO:
        if every[n].form("user") or every[n].now:  # words of the user and what counts now outlive any page
            stay.append(every[n])
        else:
            old.append(every[n])
            bare -= every[n].bare.size
        n += 1
    if not old:
        return every, None
    return [*stay, _entry("index of turns up to", old, seq), *every[n:]], _page(old, handle)


def shelved(every: list[Item], handle: Handle, seq: int) -> tuple[list[Item], str | None]:
    """The items with the handles of their rows in a page numbered `seq`, if they are many; the rows stay."""
    rows = [item for item in every if _is_row(item)]
    if len(rows) < ROWS:
        return every, None
    kept = [_without_handles(item) if _is_row(item) else item for item in every]
    return [*kept, _entry("index of rows up to turn", rows, seq)], _page(rows, handle)


def _is_row(item: Item) -> bool:
    """Whether it is shown as a row with a handle."""
    return item.forms[0].kind == "row" and bool(item.forms[0].refs)


def _without_handles(item: Item) -> Item:
    row = item.forms[0]
    alone = replace(row, refs=(), size=row.size - PER_HANDLE * len(row.refs))
    return replace(item, parts=row.verbatim, forms=(alone, *item.forms[1:]))


def _entry(what: str, old: Sequence[Item], seq: int) -> Item:
    last = old[-1].turn
    shown = Form("line", SHORT, (seq,), text=f"{what} {last}")
    return Item(last, (seq,), (shown, Form("handle", PER_HANDLE, (seq,))))


def _page(old: Sequence[Item], handle: Handle) -> str:
    return "\n".join(f"turn {item.turn}: " + line(item, item.form("line") or item.bare, handle) for item in old)
