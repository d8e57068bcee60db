"""Rows of earlier calls as tables, a header for each shape, and lists without what stands elsewhere.

    @ inspect(item_id) -> class,value,found=true
    item_1: K,350 res:123456789
    @ list_items() -> 101 values, 74 above; rest: item_2,item_3 res:555555555

A column `name=value` has that value in every row and is left out of them; `-` is a value that is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from satchel.runtime.context.item import Form, Table

Handle = Callable[[int], str]


def cells(form: Form) -> list[str]:
    """The arguments and values that the rows of a form show."""
    return [cell for key, row in form.rows for cell in (*key.split(","), *row)]


def render_tables(forms: Sequence[tuple[Form, str]], handle: Handle, before: frozenset[str]) -> list[str]:
    """All rows, then all lists, as lines; `before` are the cells that stand in earlier blocks.

    Beside each form stands what is said about it after its handles.
    """
    tables: dict[Table, list[tuple[Form, str]]] = {}
    for form, more in forms:
        if form.rows:
            tables.setdefault(_table_of(form), []).append((form, more))
    above = before.union(*(cells(form) for form, _ in forms))
    lines = [line for table, members in tables.items() for line in _table(table, members, handle)]
    return lines + [_list(form, above, handle) for form, _ in forms if form.lists]


def _table_of(form: Form) -> Table:
    return form.table or ("", (), (), False)


def _table(table: Table, members: Sequence[tuple[Form, str]], handle: Handle) -> list[str]:
    name, head, columns, many = table
    rows = [row for form, _ in members for _, row in form.rows]
    fixed = [len(rows) > 1 and len({row[c] for row in rows}) == 1 for c in range(len(columns))]
    shown = [f"{c}={rows[0][n]}" if fixed[n] else c for n, c in enumerate(columns)]
    out = [f"@ {name}({','.join(head)}) -> {'[] ' * many}{','.join(shown) or 'behind'}"]
    for form, more in members:
        for key, row in form.rows:
            cells = ",".join(cell for n, cell in enumerate(row) if not fixed[n])
            out.append(f"{key}: {cells}" if cells else f"{key}:")
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
