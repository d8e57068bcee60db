"""The digest: a bounded summary of everything older than the epoch, and the certificate that nothing was lost.

It is a sequence of blocks. A fold appends one, so that what a provider has cached of the others goes on; only when they
have become too long, or say something that is out of date, are all items written anew as one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from satchel.memory.handles import HANDLE
from satchel.memory.records import Json
from satchel.prompts import render
from satchel.runtime.context import block
from satchel.runtime.context.block import Above, Chosen, Handle, Lookup
from satchel.runtime.context.item import DENSE, PER_HANDLE, SHORT, Form, Item
from satchel.runtime.context.tables import cells

PAGE_ABOVE, PAGE_TO = 0.9, 0.5
"""Share of the digest that bare handles may take, and to which a page of the oldest brings them down."""


USER = 0.25
"""Share of the digest that words of the user may take before any handle is given room."""

STATED = 0.2
"""Share of the digest that statements of what counts now may take before any handle is given room."""


@dataclass(frozen=True, slots=True)
class Digest:
    """Items in the order of the thread, the form chosen for each, and the text they make."""

    items: tuple[Item, ...] = ()
    text: str = ""
    size: int = 0
    turns: int = 0
    certificate: dict[str, Json] = field(default_factory=dict)
    page: str | None = None
    blocks: int = 1

    @property
    def handles(self) -> bool:
        """Whether it shows any handle."""
        return any(item.forms[0].refs for item in self.items)


def append(old: Digest, new: Sequence[Item], *, turns: int, limit: int, by: Lookup) -> Digest | None:
    """The digest with one more block of at most `limit` tokens: the items of the turns dropped now.

    Pure, as `fold`. Returns None if something in the old blocks would be out of date, if not even the handles fit, or
    if the certificate fails.
    """
    known = {item.name: item for item in old.items if item.name}
    if any(_outdated(known[item.name], item) for item in new if item.name in known):
        return None
    stated = frozenset(item.topic for item in old.items)
    every = _superseded([item.at(item.bare) if item.name in known else item for item in new], stated)
    above = Above(
        frozenset(name.text for item in old.items for name in item.names),
        frozenset(cell for item in old.items for cell in cells(item.forms[0])),
    )
    made = block.fitted(every, limit, by, _head("block", by.tag, turns, first=not old.handles), above)
    if made is None:
        return None
    chosen, text, size = made
    certificate = certify(chosen, text, by.handle)
    if certificate["missing"] or any(item.now and not item.lead for item, _ in chosen):
        return None
    kept = tuple(item.at(form) for item, form in chosen)
    both, size = f"{old.text}\n{text}", old.size + size + 1
    return Digest((*old.items, *kept), both, size, turns, certificate, blocks=old.blocks + 1)


def fold(old: Digest, new: Sequence[Item], *, turns: int, limit: int, page_seq: int, by: Lookup) -> Digest | None:
    """The digest of the old items and those of the turns dropped now, as one block in at most `limit` tokens.

    Pure: the same arguments give the same bytes. `page_seq` numbers the page of older handles, should one be needed.
    Returns None if not even the handles fit, or if the certificate fails.
    """
    every, page = _paged(_stated(_superseded([*old.items, *new]), limit), limit, by.handle, page_seq)
    for _ in range(2):
        made = block.fitted(every, limit, by, _head("summary", by.tag, turns))
        if made is None:
            return None
        chosen, text, size = made
        certificate = certify(chosen, text, by.handle)
        lost = set(certificate["missing"])
        if not lost:
            kept = tuple(item.at(form) for item, form in chosen)
            return Digest(kept, text, size, turns, certificate, page)
        every = [item.at(item.bare) if lost & {*item.parts} else item for item in every]  # the safer form
    return None


def _head(text: str, tag: str, turns: int, *, first: bool = True) -> block.Head:
    """The first line of a block, by whether it shows handles; the `first` that does says what they are for."""
    return lambda handles: render(
        text, tag=tag, turns=str(turns), recall=render("handles") if handles and first else ""
    )


def certify(chosen: Chosen, text: str, handle: Handle) -> dict[str, Json]:
    """Proof that each text of the items stands in the block, whole or behind a handle that is really there."""
    behind = verbatim = 0
    missing: list[int] = []
    there = set(HANDLE.findall(text))
    for item, form in chosen:
        for part in item.parts:
            if part in form.refs and handle(part) in there:
                behind += 1
            elif part in form.verbatim and _stands(form, text):
                verbatim += 1
            else:
                missing.append(part)
    return {"texts": behind + verbatim + len(missing), "behind": behind, "verbatim": verbatim, "missing": missing}


def _stands(form: Form, text: str) -> bool:
    lines = form.text.splitlines()
    values = [cell for _, row in form.rows for cell in row] + [v for _, values in form.lists for v in values]
    keys = [key for key, _ in form.rows] + list(form.table[1] if form.table and form.lists else ())
    return all(part in text for part in (*lines, *values, *keys))


def _superseded(every: list[Item], stated: frozenset[str] = frozenset()) -> list[Item]:
    """An earlier call with the same name and arguments keeps only its handles, and an outdated statement is left out.

    The latest statement on a topic is what counts now, if there is an earlier one here or among the `stated`.
    """
    seen: set[str] = set()
    first = {item.topic: n for n, item in reversed([*enumerate(every)])}
    out = []
    for n, item in reversed([*enumerate(every)]):
        kept = item.at(item.bare) if item.name and item.name in seen else item
        if item.topic and item.topic in seen:
            kept = kept.outdated()
        elif item.topic and (item.topic in stated or first[item.topic] < n):
            kept = replace(kept, now=True)
        out.append(kept)
        seen |= {item.name, item.topic}
    return out[::-1]


def _stated(every: list[Item], limit: int) -> list[Item]:
    """The items with as many statements of what counts now, the newest first, as their share of the digest holds."""
    left, out = int(limit * STATED), []
    for item in reversed(every):
        left -= item.said * item.now
        out.append(replace(item, now=False) if item.now and left < 0 else item)
    return out[::-1]


def _outdated(old: Item, new: Item) -> bool:
    """Whether the digest shows another answer to the same call."""
    shown = old.forms[0]
    if shown.kind not in (*DENSE, "text"):
        return False
    same = new.form(shown.kind)
    return same is None or (shown.rows, shown.lists, shown.text) != (same.rows, same.lists, same.text)


def _paged(every: list[Item], limit: int, handle: Handle, seq: int) -> tuple[list[Item], str | None]:
    bare = sum(item.bare.size + item.said * item.now for item in every)
    said = sum(form.size for item in every if (form := item.form("user")))
    if bare <= limit * PAGE_ABOVE - min(said, limit * USER):
        return every, None
    old: list[Item] = []
    users: list[Item] = []
    n = 0
    while n < len(every) - 1 and bare > limit * PAGE_TO:
        if every[n].form("user") or every[n].now:  # words of the user and what counts now outlive any page
            users.append(every[n])
        else:
            old.append(every[n])
            bare -= every[n].bare.size
        n += 1
    if not old:
        return every, None
    lines = [f"turn {i.turn}: " + block.line(i, i.form("line") or i.bare, handle) for i in old]
    entry = Form("line", SHORT, (seq,), text=f"index of turns up to {old[-1].turn}")
    page = Item(old[-1].turn, (seq,), (entry, Form("handle", PER_HANDLE, (seq,))))
    return [*users, page, *every[n:]], "\n".join(lines)
