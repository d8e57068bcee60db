"""Rows of earlier calls as tables, a header for each shape, and lists without what stands elsewhere.

    @ inspect(item_id) -> class,value,found=true
    item_1: K,350 res:123456789
    @ list_items() -> 101 values, 74 above; rest: item_2,item_3 res:555555555

A column `name=value` has that value in every row and is left out of them; `-` is a value that is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from satchel.runtime.context.item import Form, Table

Handle = Callable[[int], str]
Rows = Sequence[Sequence[str]]
Members = Sequence[tuple[Form, str]]


@dataclass(frozen=True, slots=True)
class Header:
    """The header of a table, and of its columns the values that stand in it because all rows have them, else None."""

    table: Table
    fixed: tuple[str | None, ...]

    @classmethod
    def over(cls, table: Table, rows: Rows) -> Header:
        """The header that is best for these rows."""
        same = len(rows) > 1
        return cls(table, tuple(v[0] if same and len({*v}) == 1 else None for v in zip(*rows, strict=True)))

    def suits(self, table: Table, rows: Rows) -> bool:
        """Whether these rows may stand under it."""
        return self.table == table and all(f in (None, v) for row in rows for f, v in zip(self.fixed, row, strict=True))

    def line(self) -> str:
        """It as a line."""
        name, head, columns, many = self.table
        shown = [c if value is None else f"{c}={value}" for c, value in zip(columns, self.fixed, strict=True)]
        return f"@ {name}({','.join(head)}) -> {'[] ' * many}{','.join(shown) or 'behind'}"

    def row(self, key: str, row: Sequence[str]) -> str:
        """A row below it."""
        said = ",".join(cell for cell, value in zip(row, self.fixed, strict=True) if value is None)
        return f"{key}: {said}" if said else f"{key}:"


def cells(form: Form) -> list[str]:
    """The arguments and values that the rows of a form show."""
    return [cell for key, row in form.rows for cell in (*key.split(","), *row)]


def render_tables(
    forms: Sequence[tuple[Form, str]], handle: Handle, before: frozenset[str], last: Header | None
) -> tuple[list[str], Header | None]:
    """All rows, then all lists, as lines, and the header that more rows may follow.

    `before` are the cells that stand in earlier blocks, `last` the header under which their last rows stand: rows that
    suit it come first, without a header of their own. Beside each form stands what is said about it after its handles.
    """
    tables: dict[Table, list[tuple[Form, str]]] = {}
    for form, more in forms:
        if form.rows:
            tables.setdefault(_table_of(form), []).append((form, more))
    above = before.union(*(cells(form) for form, _ in forms))
    lines = list[str]()
    for table, members in sorted(tables.items(), key=lambda one: not (last and last.suits(one[0], _rows(one[1])))):
        rows = _rows(members)
        if lines or not (last and last.suits(table, rows)):
            last = Header.over(table, rows)
            lines.append(last.line())
        lines += _below(last, members, handle)
    lists = [_list(form, above, handle) for form, _ in forms if form.lists]
    return lines + lists, None if lists else last


def _rows(members: Members) -> Rows:
    return [row for form, _ in members for _, row in form.rows]


def _table_of(form: Form) -> Table:
    return form.table or ("", (), (), False)


def _below(header: Header, members: Members, handle: Handle) -> list[str]:
    out = list[str]()
    for form, more in members:
        out += [header.row(key, row) for key, row in form.rows]
        out[-1] = " ".join([out[-1], *map(handle, form.refs), *filter(None, [more])])
    return out


def _list(form: Form, above: frozenset[str], handle: Handle) -> str:
    name, head, _, _ = _table_of(form)
    out = []
    for path, values in form.lists:
        rest = [v for v in values if v not in above]
        label = f"@ {name}({','.join(head)})" + (f".{path}" if path else "")
        out.append(f"{label} -> {len(values)} values, {len(values) - len(rest)} above; rest: {','.join(rest)}")
    return " ".join(["\n".join(out), *map(handle, form.refs)])
