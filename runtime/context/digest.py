"""The digest: a bounded summary of everything older than the epoch, and the certificate that nothing was lost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from satchel.memory.handles import HANDLE
from satchel.memory.records import Json
from satchel.prompts import render
from satchel.runtime.context import tokens
from satchel.runtime.context.item import PER_HANDLE, SHORT, Form, Item, Kind
from satchel.runtime.context.tables import render_tables

PAGE_ABOVE, PAGE_TO = 0.9, 0.5
"""Share of the digest that bare handles may take, and to which a page of the oldest brings them down."""

PASSES: tuple[tuple[Kind | Literal["whole"], float], ...] = (
    ("user", 0.5),
    ("row", 0.0),
    ("list", 0.0),
    ("whole", 0.6),
    ("line", 0.9),
    ("said", 0.95),
    ("text", 0.95),
    ("loose", 0.95),
)
"""In this order items are given room, the newest first, each pass leaving this share of what is left to later ones.

Words of the user come first, but not all of them; then what is densest in facts; then short texts that hide nothing.
Most of the rest goes to names: measured on recorded coding runs, they and not lines are what later calls need again.
"""

DENSE = ("row", "list")

FRAME = 80
"""Tokens of the lines that open and close the digest."""

INDEXED: tuple[Kind, ...] = ("line", "text", "said", "loose", "handle")
"""Forms beside which names are shown."""

LETTERS = 4
"""Characters of a name to a token, about: counting each exactly would take longer than the rest of a fold."""

LINES: tuple[Kind, ...] = ("line", "text", "said", "loose")

Handle = Callable[[int], str]
Weigh = Callable[[str], float]
"""From a name to the chance that it is needed again."""


@dataclass(frozen=True, slots=True)
class Digest:
    """Items in the order of the thread, the form chosen for each, and the text they make."""

    items: tuple[Item, ...] = ()
    text: str = ""
    size: int = 0
    turns: int = 0
    certificate: dict[str, Json] = field(default_factory=dict)
    page: str | None = None


@dataclass(frozen=True, slots=True)
class Lookup:
    """What a digest is written with: the thread's tag, its handles, and the weight of each name."""

    tag: str
    handle: Handle
    weigh: Weigh


def fold(old: Digest, new: Sequence[Item], *, turns: int, limit: int, page_seq: int, by: Lookup) -> Digest | None:
    """The digest of the old one and the items of the turns dropped now, in at most `limit` tokens.

    Pure: the same arguments give the same bytes. `page_seq` numbers the page of older handles, should one be needed.
    Returns None if not even the handles fit, or if the certificate fails.
    """
    every, page = _paged(_superseded([*old.items, *new]), limit, by.handle, page_seq)
    for _ in range(2):
        made = _fitted(every, turns, limit, by)
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


def _fitted(
    every: Sequence[Item], turns: int, limit: int, by: Lookup
) -> tuple[list[tuple[Item, Form]], str, int] | None:
    """Forms and text in at most `limit` tokens; forms are sized by estimates, so the room shrinks until it holds."""
    room = limit - FRAME
    for _ in range(8):
        formed = _choose(every, room)
        chosen = _indexed(formed, room - sum(form.size for _, form in formed), by.weigh)
        text = _render(chosen, turns, by.tag, by.handle)
        size = tokens.count(text)
        if size <= limit:
            return chosen, text, size
        room = min(room, size) - (size - limit) - 8
    return None


def certify(chosen: Sequence[tuple[Item, Form]], text: str, handle: Handle) -> dict[str, Json]:
    """Proof that each text of the items stands in the digest, whole or behind a handle that is really there."""
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
    cells = [cell for _, row in form.rows for cell in row] + [v for _, values in form.lists for v in values]
    keys = [key for key, _ in form.rows] + list(form.table[1] if form.table and form.lists else ())
    return all(part in text for part in (*lines, *cells, *keys))


def _superseded(every: list[Item]) -> list[Item]:
    """An earlier call with the same name and arguments keeps only its handles."""
    seen: set[str] = set()
    out = []
    for item in reversed(every):
        out.append(item.at(item.bare) if item.name and item.name in seen else item)
        seen.add(item.name)
    return out[::-1]


def _paged(every: list[Item], limit: int, handle: Handle, seq: int) -> tuple[list[Item], str | None]:
    bare = sum(item.bare.size for item in every)
    if bare <= limit * PAGE_ABOVE:
        return every, None
    n = 0
    while n < len(every) - 1 and bare > limit * PAGE_TO:
        bare -= every[n].bare.size
        n += 1
    lines = [f"turn {i.turn}: " + _line(i, i.form("line") or i.bare, handle) for i in every[:n]]
    entry = Form("line", SHORT, (seq,), text=f"index of turns up to {every[n - 1].turn}")
    return [Item(every[n - 1].turn, (seq,), (entry, Form("handle", PER_HANDLE, (seq,)))), *every[n:]], "\n".join(lines)


def _choose(every: Sequence[Item], room: int) -> list[tuple[Item, Form]]:
    """The form of each item: words of the user first, then rows, lists, lines and quoted text, newest first."""
    chosen = [item.bare for item in every]
    left = room - sum(form.size for form in chosen)
    newest_first = [n for n in range(len(every) - 1, -1, -1) if len(every[n].forms) > 1]
    for kind, reserve in PASSES:
        floor = int(left * reserve)
        for n in newest_first:
            current = chosen[n]
            for form in every[n].forms:
                if form is current or current.kind in DENSE:  # rows and lists are never traded for text
                    break
                called = "whole" if kind == "whole" and not form.refs else form.kind
                if called == kind and form.size - current.size <= left - floor:
                    left -= form.size - current.size
                    chosen[n] = form
                    break
    return list(zip(every, chosen, strict=True))


def _indexed(chosen: list[tuple[Item, Form]], left: int, weigh: Weigh) -> list[tuple[Item, Form]]:
    """The items with as many of their names as fit: the likeliest for their size, each where it was newest."""
    ranked: list[tuple[float, int, str]] = []
    taken: set[str] = set()
    for n in range(len(chosen) - 1, -1, -1):
        item, form = chosen[n]
        if form.kind in INDEXED:
            fresh = [name for name in item.names if name not in taken]
            taken.update(fresh)
            ranked += [(-weigh(name) / (len(name) // LETTERS + 8), n, name) for name in fresh]
    picked: dict[int, set[str]] = {}
    for _, n, name in sorted(ranked):
        cost = len(name) // LETTERS + (2 if n in picked else 5)
        if cost <= left:
            left -= cost
            picked.setdefault(n, set()).add(name)
    return [(item.only(picked.get(n, set())), form) for n, (item, form) in enumerate(chosen)]


def _render(chosen: Sequence[tuple[Item, Form]], turns: int, tag: str, handle: Handle) -> str:
    tables = render_tables([form for _, form in chosen if form.table], handle)
    users = [_line(i, f, handle) for i, f in chosen if f.kind == "user"]
    lines = [_line(i, f, handle) for i, f in chosen if f.kind in LINES or (f.kind == "handle" and i.names)]
    bare = [handle(ref) for item, form in chosen if form.kind == "handle" and not item.names for ref in form.refs]
    body = [*users, *tables, *lines, *(["@ older: " + " ".join(bare)] if bare else [])]
    return "\n".join([render("summary", tag=tag, turns=str(turns)), *body, f"[/satchel {tag}]"])


def _line(item: Item, form: Form, handle: Handle) -> str:
    """Words with their origin; further lines are marked, so that no quoted line can pass for one of ours."""
    who = {
        "user": f"user, turn {item.turn}: ",
        "said": f"you, turn {item.turn}: ",
        "loose": f"result, turn {item.turn}: ",
    }.get(form.kind, "")
    index = ["names:", ", ".join(item.names)] if item.names and form.kind in INDEXED else []
    return " ".join([*filter(None, [who + "\n| ".join(form.text.splitlines())]), *map(handle, form.refs), *index])
