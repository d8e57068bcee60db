"""The scripted clerks of the customer service: pure functions of the prompt."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from satchel.evals.view import View, view
from satchel.runtime.models import Answer

if TYPE_CHECKING:
    from satchel.memory.records import Json
    from satchel.runtime.context.message import Message

REQUEST = re.compile(
    r"Please (?P<kind>refund|cancel|send) order (?P<order>W\d+)"
    r"(?:, but to the card of my (?P<other>first|last) order| to (?P<city>\w+))?"
)


def clerk(messages: Sequence[Message], tools: Sequence[Json]) -> Answer:
    """Looks the order up, checks the rules, asks, and writes after a yes."""
    seen = view(messages)
    asked = list(REQUEST.finditer(seen.user))
    if not tools or not asked:
        return Answer("Sorry, how can I help you?")
    if any(call.name in ("refund", "cancel", "change_city") for call in seen.last):
        return Answer("It is done.")
    want = asked[-1]
    row = _order(seen, want["order"])
    if row is None:
        return _look(seen, want["order"])
    if reason := _forbidden(want["kind"], row):
        return Answer(f"Sorry, order {want['order']} {reason}.")
    if "Yes, please." not in seen.user[want.end() :]:
        return Answer(f"I will {want['kind']} order {want['order']}. Shall I?")
    return _write(seen, asked, row)


def _write(seen: View, asked: Sequence[re.Match[str]], row: Mapping[str, str]) -> Answer:
    """The write that the last request asks for; first a look at the order whose card is to be used."""
    want = asked[-1]
    order = want["order"]
    if want["kind"] == "cancel":
        return seen.calls(("cancel", {"order": order}))
    if want["kind"] == "send":
        return seen.calls(("change_city", {"order": order, "city": want["city"]}))
    paid = {"first": asked[0], "last": asked[-2:][0]}.get(want["other"], want)["order"]
    payer = _order(seen, paid)
    if payer is None:
        return _look(seen, paid)
    cents = int(row["total"]) * 90 // 100 if row["opened"] == "true" else int(row["total"])
    return seen.calls(("refund", {"order": order, "cents": cents, "card": payer["card"]}))


def _order(seen: View, order: str) -> Mapping[str, str] | None:
    """The row of an order, if it is in view."""
    rows = (said.fields for said in seen.of("get_order") if said.args == (order,))
    return next((row for row in rows if {"total", "status", "card", "days", "opened"} <= row.keys()), None)


def _look(seen: View, order: str) -> Answer:
    return seen.calls(("get_order", {"order": order}))


def _forbidden(kind: str, row: Mapping[str, str]) -> str | None:
    """Why the rules of the shop forbid a request, or None."""
    if kind == "refund" and row["status"] != "delivered":
        return f"is {row['status']} and cannot be refunded"
    if kind == "refund" and int(row["days"]) > 30:  # noqa: PLR2004 - the rule of the manual
        return "was delivered more than 30 days ago"
    if kind != "refund" and row["status"] != "open":
        return f"is {row['status']} and cannot be changed"
    return None


def parrot(messages: Sequence[Message], tools: Sequence[Json]) -> Answer:
    """A fool: agrees to everything and does nothing."""
    return Answer("It is done.") if messages or tools else Answer()
