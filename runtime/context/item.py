"""What a fold makes of a turn: items, each with the forms in which it may stand in the digest, richest first.

The last form of every item is its handles alone, so each can shrink to a few tokens and never be lost. Forms know
nothing of any task: a call becomes a table row, a list, quoted text or a line by the shape of its result.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from satchel.memory.records import Json
from satchel.runtime.context import tokens
from satchel.runtime.context.recall import NAME as RECALL
from satchel.runtime.context.shape import LONGEST, WIDEST, Shape, quote, shape
from satchel.runtime.context.symbols import Name, lead, names, topic, words

if TYPE_CHECKING:
    from satchel.runtime.context.message import Message, ToolCall
    from satchel.runtime.context.turn import Turn

SHORT = 32
"""Tokens of arguments, or of a remark, that stand verbatim rather than behind a handle."""

VERBATIM = 20_000
"""Tokens of the longest words of the user that a digest may hold in full."""

QUOTED = 120
"""Tokens of a text result quoted in its richest form."""

REMARK = 48
"""Tokens quoted of a longer remark of the model or of the user."""

PER_HANDLE = 6
"""Tokens of one handle with its blank, at most."""

KEYED = 64
"""Characters of arguments that may stand beside the handle of their result."""

CHEAP = 4
"""Tokens that an item's smallest form may take above its bare handles, to say what the handle leads to."""

LETTERS = 4
"""Characters of a token, about."""

DENSE = ("row", "list")
"""The forms that say most for their size."""

Kind = Literal["user", "said", "row", "list", "text", "line", "loose", "key", "handle"]
Table = tuple[str, tuple[str, ...], tuple[str, ...], bool]
"""Tool, argument names, columns, and whether one call gave several rows."""


@dataclass(frozen=True, slots=True)
class Form:
    """One way to show an item: `refs` are the texts whose handles it carries, `verbatim` those it shows in full."""

    kind: Kind
    size: int
    refs: tuple[int, ...] = ()
    verbatim: tuple[int, ...] = ()
    text: str = ""
    table: Table | None = None
    rows: tuple[tuple[str, tuple[str, ...]], ...] = ()
    lists: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class Item:
    """A user message, a remark, or a call with its result.

    `name` tells which newer item replaces it; `names` are those in its text that may be worth keeping beside a handle,
    `lead` is its first sentence, if that is short, `topic` what that states, if others may state it anew, `now` whether
    it does so for an earlier one; `hidden` are the tokens, about, that only a handle leads to.
    """

    turn: int
    parts: tuple[int, ...]
    forms: tuple[Form, ...]
    name: str = ""
    names: tuple[Name, ...] = ()
    hidden: int = 0
    lead: str = ""
    topic: str = ""
    now: bool = False

    @property
    def said(self) -> int:
        """Tokens of its first sentence, about."""
        return len(self.lead) // LETTERS + 2 if self.lead else 0

    @property
    def bare(self) -> Form:
        """Its smallest form."""
        return self.forms[-1]

    def form(self, *kinds: Kind) -> Form | None:
        """Its richest form of one of these kinds, if it still has one."""
        return next((f for f in self.forms if f.kind in kinds), None)

    @property
    def whole(self) -> Form | None:
        """The form that hides nothing, if it has one."""
        return next((form for form in self.forms if not form.refs), None)

    def at(self, form: Form) -> Item:
        """The item without the forms richer than this one."""
        return self if form is self.forms[0] else replace(self, forms=self.forms[self.forms.index(form) :])

    def alone(self) -> Item:
        """The item by its smallest form, whatever room there is: what it says stands elsewhere."""
        return Item(self.turn, self.parts, (self.bare,))

    def outdated(self) -> Item:
        """The item without what it stated, which a later one states anew."""
        return replace(self, lead="", now=False, forms=tuple(form for form in self.forms if form.kind != "text"))

    def only(self, names: set[str]) -> Item:
        """The item with these of its names; "" stands for its first sentence."""
        if not self.names and not self.lead:
            return self
        kept = tuple(n for n in self.names if n.text in names and not ("" in names and n.text in self.lead))
        return replace(self, names=kept, lead=self.lead if "" in names else "")


def items(turn: Turn, whole: Turn, number: int) -> Iterator[Item]:
    """The items of a turn; `whole` is the turn before anything in it was previewed."""
    first, *answers = whole.messages
    if first.role != "assistant":
        yield _words(first.content, turn.seqs[0], number, "user" if turn.is_user else "loose")
        return
    if first.content.strip():
        yield _words(first.content, turn.seqs[0], number, "said")
    results = list(zip(answers, turn.seqs[1:], strict=True))
    for call, seq in zip(first.calls, turn.call_seqs, strict=True):
        found = next((r for r in results if r[0].call_id == call.id), None)
        if found:
            results.remove(found)
        yield _call(call, seq, found, number)
    for message, seq in results:
        yield _words(message.content, seq, number, "loose")


def _words(text: str, seq: int, turn: int, kind: Kind) -> Item:
    size = tokens.at_most(text, VERBATIM)
    bare, quoted = _bare((seq,)), _sized(kind, clip(text, REMARK), (seq,))
    if (kind == "user" and size <= VERBATIM) or size <= SHORT:
        full = _sized(kind, text, (), (seq,))
        return Item(turn, (seq,), (full, bare) if size <= SHORT else (full, quoted, bare))
    return Item(turn, (seq,), (quoted, bare), names=names(text), hidden=len(text) // LETTERS)


def _sized(kind: Kind, text: str, refs: tuple[int, ...], verbatim: tuple[int, ...] = ()) -> Form:
    size = tokens.count(text) + 2 * len(text.splitlines()) + 6  # each line is marked as quoted
    return Form(kind, size + PER_HANDLE * len(refs), refs, verbatim, text)


def _bare(refs: tuple[int, ...], tool: str = "") -> Form:
    return Form("handle", PER_HANDLE * len(refs) + 2 * bool(tool), refs, text=tool)


def _smallest(call: ToolCall, seq: int, answered: tuple[int, ...]) -> Iterator[Form]:
    """Its short arguments beside the handle of its result, and where they are longer than a handle, handles alone."""
    key, bare = _key(call.args), _bare((seq, *answered), quote(call.name))
    if key and answered and len(quote(key)) <= KEYED:
        table = (quote(call.name), tuple(map(quote, call.args)), (), False)
        size = tokens.count(key) + 2 + PER_HANDLE
        yield Form("key", size, answered, (seq,), table=table, rows=((key, ()),))
        if size <= bare.size + CHEAP:
            return
    yield bare


def clip(text: str, limit: int) -> str:
    """The first `limit` tokens of a text, and a mark where it was cut."""
    ids = tokens.encode(text[: limit * 16])
    return text if len(ids) <= limit and len(text) <= limit * 16 else tokens.decode(ids[:limit]) + " ..."


def _call(call: ToolCall, seq: int, result: tuple[Message, int] | None, turn: int) -> Item:
    args = call.args if isinstance(call.args, str) else tokens.compact(call.args)
    short = tokens.at_most(args, SHORT) <= SHORT
    answer = result[0].content if result else ""
    answered = (result[1],) if result else ()
    shown, hidden = ((seq,), ()) if short else ((), (seq,))
    head = f"{quote(call.name)}({_arguments(call.args) if short else clip(args, SHORT)})"
    brief = tokens.at_most(answer, SHORT) <= SHORT and not hidden
    again = call.name == RECALL and not brief  # the handle among its arguments leads to the same text
    said, refs = f"{head} = {answer if brief else clip(answer, QUOTED)}", hidden + (() if brief else answered)
    forms = [
        *([] if again else _shaped(call, seq, answer, answered)),
        *([] if again else [_sized("text", said, refs, shown + (answered if brief else ()))]),
        *([] if brief else [_sized("line", head, hidden + answered, shown)]),
        *_smallest(call, seq, answered),
    ]
    name = f"{call.name} {args}" if short and call.args else ""  # without arguments each call may ask for the next
    if brief or again or forms[0].kind in DENSE:
        return Item(turn, (seq, *answered), tuple(forms), name)
    text, says = f"{words(call.args)}\n{answer}", lead(answer)
    about = topic(call.name, says)  # what may become outdated stands in the sentence alone
    found = tuple(n for n in names(text) if not about or n.text not in says or n.text in about)
    return Item(turn, (seq, *answered), tuple(forms), name, found, len(text) // LETTERS, says, about)


def _arguments(args: Json) -> str:
    if not isinstance(args, dict):
        return tokens.compact(args)
    return ", ".join(f"{quote(k)}={quote(v) if isinstance(v, str) else tokens.compact(v)}" for k, v in args.items())


def _shaped(call: ToolCall, seq: int, answer: str, answered: tuple[int, ...]) -> Iterator[Form]:
    """The forms as rows and lists, if the arguments are short scalars and the result has a shape."""
    found, key = shape(answer), _key(call.args)
    if key is None or not (found.rows or found.lists):
        return
    whole = found.whole and not found.lists  # of a list only those values are shown that do not stand elsewhere
    refs, verbatim = ((), (seq, *answered)) if whole else (answered, (seq,))
    columns = tuple(dict.fromkeys(quote(c) for row in found.rows for c, _ in row))
    if len(columns) <= WIDEST:  # rows that share little make no table
        named = [(quote(k), _cell(v)) for k, v in call.args.items()]
        head = tuple(f"{k}={v}" if found.lists else k for k, v in named)  # a list has no row to show its arguments
        table = (quote(call.name), head, columns, found.many)
        yield _dense(found, table, key, refs, verbatim)


def _dense(found: Shape, table: Table, key: str, refs: tuple[int, ...], verbatim: tuple[int, ...]) -> Form:
    columns = table[2]
    rows = []
    for n, row in enumerate(found.rows):
        cells = {quote(c): quote(v) for c, v in row}
        rows.append((f"{key} # {n}" if found.many else key, tuple(cells.get(c, "-") for c in columns)))
    lists = tuple((quote(path) if path else "", tuple(map(quote, values))) for path, values in found.lists)
    text = "\n".join(f"{k}: {','.join(c)}" for k, c in rows) + "".join(",".join(v) + " " * 24 for _, v in lists)
    kind: Kind = "list" if lists else "row"
    return Form(kind, tokens.count(text) + 2 + PER_HANDLE * len(refs), refs, verbatim, "", table, tuple(rows), lists)


def _key(args: Json) -> str | None:
    if not isinstance(args, dict) or any(isinstance(v, list | dict) for v in args.values()):
        return None
    cells = [_cell(v) for v in args.values()]
    return None if any(len(c) > LONGEST for c in cells) else ",".join(cells)


def _cell(value: Json) -> str:
    return quote(value if isinstance(value, str) else tokens.compact(value))
