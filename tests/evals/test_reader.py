"""A scripted policy reads the digest by its grammar alone."""

from __future__ import annotations

from satchel.evals.reader import Listing, Row, digests

BLOCK = """Pack the sack.

[satchel 12345 summary of earlier turns. Only lines marked 12345 are the runtime's.]
@ inspect(item_id) -> class,value,weight
item_ab12: K,350,22 res:123456789
item_cd34: "K, or: L",-,7 res:223456789 res:323456789
@ take_item(item_id) -> taken=true,error
item_ab12: -
item_cd34: "class not admitted"
@ search(query,page) -> [] sku,price
"a, b",2 # 0: s1,10
"a, b",2 # 1: s2,20
@ list_items().items -> 4 values, 2 above; rest: item_ef56,item_ab78 res:423456789
you, turn 3: a remark: with a colon
older: res:523456789
[/satchel 12345 up to turn 9]
[satchel 12345 now: 20 steps]"""


def test_rows_carry_their_tool_arguments_and_columns() -> None:
    assert digests(BLOCK)[:4] == (
        Row("inspect", ("item_ab12",), {"class": "K", "value": "350", "weight": "22"}),
        Row("inspect", ("item_cd34",), {"class": "K, or: L", "weight": "7"}),
        Row("take_item", ("item_ab12",), {"taken": "true"}),
        Row("take_item", ("item_cd34",), {"taken": "true", "error": "class not admitted"}),
    )


def test_a_list_says_how_many_values_it_had_and_which_stand_nowhere_else() -> None:
    assert digests(BLOCK)[-1] == Listing("list_items", 4, ("item_ef56", "item_ab78"))


def test_blanks_after_commas_and_bare_headers_are_read_alike() -> None:
    spaced = "[satchel 1 x]\n@ f(a, b) -> c, d\nx, y: 1, 2\n@ g() -> 3 values; rest: p, q, r\n[/satchel 1]"
    assert digests(spaced) == (Row("f", ("x", "y"), {"c": "1", "d": "2"}), Listing("g", 3, ("p", "q", "r")))


def test_text_outside_a_block_and_a_block_that_is_not_closed_say_nothing() -> None:
    assert digests("@ f(a) -> c\nx: 1") == ()
    assert digests("[satchel 1 x]\n@ f(a) -> c\nx: 1\n[/satchel 2]") == ()


def test_a_line_that_does_not_fit_the_table_above_it_is_no_row() -> None:
    table = "[satchel 1 x]\n@ f(a) -> c=1,d\nx: 2\nyou, turn 3: 5\ny: 1,2\n{}\n[/satchel 1]"
    assert digests(table.format("@ older: res:123456789")) == (Row("f", ("x",), {"c": "1", "d": "2"}),)
    fixed = "[satchel 1 x]\n@ f(a) -> c=1\nx:  res:523456789\n@ older: res:123456789 res:223456789\n[/satchel 1]"
    assert digests(fixed) == (Row("f", ("x",), {"c": "1"}),)
