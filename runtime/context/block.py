"""One block of a digest: the form that each item takes in so many tokens, its names, and the text they make."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from satchel.runtime.context import tokens
from satchel.runtime.context.item import DENSE
from satchel.runtime.context.symbols import names, woven
from satchel.runtime.context.tables import Header, render_tables

if TYPE_CHECKING:
    from satchel.runtime.context.item import Form, Item, Kind

PASSES: tuple[tuple[Kind | Literal["whole"], float], ...] = (
    ("user", 0.5),
    ("row", 0.0),
    ("list", 0.0),
    ("whole", 0.5),
    ("line", 0.97),
    ("said", 0.99),
    ("text", 0.99),
    ("loose", 0.99),
)
"""In this order items are given room, the newest first, each pass leaving this share of what is left to later ones.

Words of the user come first, but not all of them; then what is densest in facts; then short texts that hide nothing.
Most of the rest goes to names: measured on recorded coding runs, they and not lines are what later calls need again.
"""

INDEXED: tuple[Kind, ...] = ("line", "text", "said", "loose", "key", "handle")
"""Forms beside which names are shown."""

LINES: tuple[Kind, ...] = ("line", "text", "said", "loose")

FRAME = 80
"""Tokens of the lines that open and close a digest, at most."""

HEADERS = 40
"""Tokens of lines between its items, which may be added to what is expected of a block."""

MARK = 3
"""Tokens before the first name of an item."""

EVEN = 6
"""Tokens added to the size of a name when its chance for its size is weighed: short names are not all that counts."""

Handle = Callable[[int], str]
Weigh = Callable[[str], float]
"""From a name to the chance that it is needed again."""

Head = Callable[[bool], str]
"""The first line of a block, from whether it shows handles; "" if it has none."""

Chosen = list[tuple["Item", "Form"]]


@dataclass(frozen=True, slots=True)
class Lookup:
    """What a digest is written with: the thread's tag, its handles, and the weight of each name."""

    tag: str
    handle: Handle
    weigh: Weigh


@dataclass(frozen=True, slots=True)
class Above:
    """What stands in earlier blocks: names, the cells of rows, and the header under which the last rows are."""

    names: frozenset[str] = frozenset()
    cells: frozenset[str] = frozenset()
    header: Header | None = None


class Made(NamedTuple):
    """A block: the form of each item, its lines, their size in tokens, and the header that more rows may follow."""

    chosen: Chosen
    text: str
    size: int
    header: Header | None


def fitted(every: Sequence[Item], limit: int, by: Lookup, head: Head, above: Above = Above()) -> Made | None:
    """A block in at most `limit` tokens, under the line `head`; None if not even the handles fit.

    Forms are sized by estimates, so the room shrinks until the text fits.
    """
    room = limit - tokens.count(head(True))  # noqa: FBT003 - with the words on handles
    for _ in range(8):
        formed = _choose(every, room - sum(item.said for item in every if item.now))
        chosen = _indexed(formed, room - sum(form.size for _, form in formed), by.weigh, above.names)
        block = made(chosen, head, by, above)
        if block.size <= limit:
            return block
        room = min(room, block.size) - (block.size - limit) - 8
    return None


def made(chosen: Chosen, head: Head, by: Lookup, above: Above = Above()) -> Made:
    """A block of items in the forms that are given."""
    text, header = _render(chosen, head, by, above)
    return Made(chosen, text, tokens.count(text), header)


def _choose(every: Sequence[Item], room: int) -> Chosen:
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
                more = form.size - current.size
                if called == kind and more <= max(0, left - floor):  # a row may be smaller than its handles
                    left -= more
                    chosen[n] = form
                    break
    return list(zip(every, chosen, strict=True))


def _indexed(chosen: Chosen, left: float, weigh: Weigh, above: frozenset[str]) -> Chosen:
    """The items with as many of their names as fit: the likeliest for their size, each where it was first seen.

    The first sentence of a result, which is ranked as "", competes with them: it is worth what its new names are. One
    that says what counts now comes first.
    """
    ranked: list[tuple[float, int, str, float]] = []
    first: dict[str, int] = dict.fromkeys(above, -1)
    for n, (item, form) in enumerate(chosen):
        if form.kind in INDEXED:
            new = [name for name in item.names if first.setdefault(name.text, n) == n]
            ranked += [(-weigh(name.text) / (name.size + EVEN), n, name.text, name.size) for name in new]
            if item.lead:
                worth = sum(weigh(name.text) for name in names(item.lead) if first.get(name.text, n) == n)
                ranked.append((-1.0 if item.now else -worth / (item.said + EVEN), n, "", item.said))
    picked: dict[int, set[str]] = {}
    for _, n, text, size in sorted(ranked):
        has = picked.get(n, set())
        if text and "" in has and text in chosen[n][0].lead:
            continue
        cost = size + (0 if has else MARK)
        if cost <= left:
            left -= cost
            picked.setdefault(n, set()).add(text)
    return [(item.only(picked.get(n, set())), form) for n, (item, form) in enumerate(chosen)]


def _render(chosen: Chosen, head: Head, by: Lookup, above: Above) -> tuple[str, Header | None]:
    handle = by.handle
    named = [(item, form, _names(item, form)) for item, form in chosen]
    rows = [(form, said) for _, form, said in named if form.table]
    tables, header = render_tables(rows, handle, above.cells, above.header)
    users = [line(item, form, handle) for item, form, _ in named if form.kind == "user"]
    lines = [line(i, f, handle) for i, f, said in named if f.kind in LINES or (f.kind == "handle" and said)]
    bare = _bare([form for _, form, said in named if form.kind == "handle" and not said], handle)
    texts = [*users, *lines]
    body = [
        *tables,
        *["@ texts"] * bool(texts and (tables or header)),
        *texts,
        *(["@ older: " + " ".join(bare)] if bare else []),
    ]
    text = "\n".join(filter(None, [head(any(form.refs for _, form in chosen)), *body]))
    return text, None if texts or bare else header


def _bare(forms: Sequence[Form], handle: Handle) -> list[str]:
    """Handles, each tool named before the first of its own."""
    out, tool = [], ""
    for form in forms:
        if form.text and form.text != tool:
            out.append(form.text)
        tool = form.text
        out += map(handle, form.refs)
    return out


def _names(item: Item, form: Form) -> str:
    if form.kind not in INDEXED:
        return ""
    says = f"says: {item.lead}" if item.lead else ""
    return " ".join(filter(None, (says, f"names: {woven(item.names)}" if item.names else "")))


def line(item: Item, form: Form, handle: Handle) -> str:
    """An item in words with its origin; further lines are marked, so that no quoted line can pass for one of ours."""
    who = {
        "user": f"user, turn {item.turn}: ",
        "said": f"you, turn {item.turn}: ",
        "loose": f"result, turn {item.turn}: ",
    }.get(form.kind, "")
    said = who + "\n| ".join(form.text.splitlines())
    if form.table:  # what a table says in its header, and the row
        said = f"{form.table[0]}({','.join(form.table[1])}) {form.rows[0][0]}:"
    return " ".join(filter(None, [said, *map(handle, form.refs), _names(item, form)]))
