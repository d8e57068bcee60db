"""The digest: a bounded summary of everything older than the epoch, and the certificate that nothing was lost.

It is a sequence of blocks, with a blank line between two. A fold appends one, so that what a provider has cached of the
others goes on. All items are written anew as one only when that has become so much shorter that it pays, when they are
too long, or when they say something that is out of date. No quoted text has a blank line.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from satchel.memory.handles import HANDLE
from satchel.memory.records import Json
from satchel.prompts import render
from satchel.runtime.context import block, tokens
from satchel.runtime.context.block import Above, Chosen, Handle, Lookup
from satchel.runtime.context.item import DENSE, Form, Item
from satchel.runtime.context.pages import paged, shelved
from satchel.runtime.context.tables import Header, cells

END = 24
"""Tokens of the line that closes a digest, at most."""

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
    header: Header | None = None

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
        old.header,
    )
    made = block.fitted(every, limit, by, _head("block", by.tag, first=not old.handles), above)
    if made is None:
        return None
    stands = f"{old.header.line()}\n{made.text}" if old.header else made.text
    certificate = certify(made.chosen, stands, by.handle)
    if certificate["missing"] or any(item.now and not item.lead for item, _ in made.chosen):
        return None
    kept = tuple(item.at(form) for item, form in made.chosen)
    before, _, end = old.text.rpartition("\n")
    text, size = _closed(f"{before}\n\n{made.text}", old.size - tokens.count(end) + 2 + made.size, by.tag, turns)
    return Digest((*old.items, *kept), text, size, turns, certificate, None, old.blocks + 1, made.header)


def fold(old: Digest, new: Sequence[Item], *, turns: int, limit: int, page_seq: int, by: Lookup) -> Digest | None:
    """The digest of the old items and those of the turns dropped now, as one block in at most `limit` tokens.

    Pure: the same arguments give the same bytes. `page_seq` numbers the page of older handles, should one be needed.
    Returns None if not even the handles fit, or if the certificate fails.
    """
    stated = _stated(_superseded([*old.items, *new]), limit)
    said = sum(form.size for item in stated if (form := item.form("user")))
    every, page = paged(stated, limit, min(said, int(limit * USER)), by.handle, page_seq)
    for _ in range(2):
        made = block.fitted(every, limit - END, by, _head("summary", by.tag))
        if made is None:
            return None
        certificate = certify(made.chosen, made.text, by.handle)
        lost = set(certificate["missing"])
        if not lost:
            kept = tuple(item.at(form) for item, form in made.chosen)
            text, size = _closed(made.text, made.size, by.tag, turns)
            return Digest(kept, text, size, turns, certificate, page, header=made.header)
        every = [item.at(item.bare) if lost & {*item.parts} else item for item in every]  # the safer form
    return None


def merged(old: Digest, *, page_seq: int, by: Lookup) -> Digest | None:
    """The digest with all of its blocks as one: each item as it is shown, but nothing twice and nothing out of date.

    The handles of rows go to a page numbered `page_seq`. Pure, as `fold`. Returns None if the certificate fails.
    """
    every, page = shelved(_superseded([*old.items]), by.handle, page_seq)
    made = block.made([(item, item.forms[0]) for item in every], _head("summary", by.tag), by)
    certificate = certify(made.chosen, made.text, by.handle)
    if certificate["missing"]:
        return None
    text, size = _closed(made.text, made.size, by.tag, old.turns)
    return Digest(tuple(every), text, size, old.turns, certificate, page, header=made.header)


def _head(text: str, tag: str, *, first: bool = True) -> block.Head:
    """The first line of a block, by whether it shows handles; the `first` that does says what they are for."""

    def head(handles: bool) -> str:  # noqa: FBT001 - the one thing that it depends on
        said = render("handles") if handles and first else ""
        return render(text, tag=tag, recall=said) if said or text == "summary" else ""

    return head


def _closed(text: str, size: int, tag: str, turns: int) -> tuple[str, int]:
    """A digest's lines with the last one, and their size."""
    end = render("end", tag=tag, turns=str(turns))
    return f"{text}\n{end}", size + 1 + tokens.count(end)


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
