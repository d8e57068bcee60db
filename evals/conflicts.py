"""Conflicting updates: prices that change all the time, and orders that must be placed at the current one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import TYPE_CHECKING

from satchel.evals.case import Case
from satchel.evals.catalogue import passage
from satchel.evals.graders import state
from satchel.evals.view import View, view
from satchel.runtime.models import Answer
from satchel.runtime.tools import Tool, tool

if TYPE_CHECKING:
    from satchel.memory.records import Json
    from satchel.runtime.context.message import Message

TASK = """Follow the feed of {notices} notices, numbered from 1, one after the other; each is shown once. When a \
notice asks for an order, place it at the price that is current for that stock, before you go on. Then report."""

MANUAL = """You follow a price feed. A later price replaces every earlier one of the same stock. Order at the current \
price only: an order at an outdated price is a loss."""

ORDERS = 0.2
"""Share of notices that ask for an order."""

Notice = tuple[str, int | None]
"""A stock and its new price, or None where an order is due."""


@dataclass(slots=True)
class Feed:
    """The world: notices in order, how far they were read, and the orders placed."""

    notices: tuple[Notice, ...]
    notes: tuple[str, ...]
    prose: bool
    read: int = 0
    orders: dict[int, tuple[str, int]] = field(default_factory=dict)

    def tools(self) -> tuple[Tool, ...]:
        """What a trader can do."""

        @tool(effect="write")
        async def next_notice(number: int) -> str | dict[str, str | int]:
            """Read a notice of the feed, by its number; each is shown once."""
            if number != self.read + 1 or number > len(self.notices):
                return f"Notice {number} is not shown; the next is {self.read + 1} of {len(self.notices)}."
            self.read = number
            stock, price = self.notices[number - 1]
            if not self.prose:
                return {"notice": number, "stock": stock, **({"order": "due"} if price is None else {"price": price})}
            fact = f"place an order for {stock}" if price is None else f"the price of {stock} is now {price} crowns"
            return f"Notice {number}: {fact}.\n{self.notes[number - 1]}"

        @tool(effect="write")
        async def place_order(notice: int, stock: str, price: int) -> str:
            """Place the order that a notice asked for. The first one counts."""
            self.orders.setdefault(notice, (stock, price))
            return f"Ordered for notice {notice}."

        return next_notice, place_order

    def current(self, notice: int, stock: str) -> int:
        """The price of a stock after so many notices."""
        return next(p for s, p in reversed(self.notices[:notice]) if s == stock and p is not None)

    def due(self) -> dict[int, tuple[str, int]]:
        """The right orders."""
        wanted = [(n, stock) for n, (stock, price) in enumerate(self.notices, 1) if price is None]
        return {n: (stock, self.current(n, stock)) for n, stock in wanted}

    def score(self) -> float:
        """The share of orders placed at the current price."""
        due = self.due()
        return sum(self.orders.get(n) == order for n, order in due.items()) / len(due)

    def stale(self, text: str) -> int:
        """Stocks of which an outdated price stands in a text and the current one does not."""
        numbers = set(re.findall(r"\b\d{4}\b", text))
        history: dict[str, list[str]] = {}
        for stock, price in self.notices[: self.read]:
            history.setdefault(stock, []).extend([str(price)] if price is not None else [])
        return sum(bool(p) and p[-1] not in numbers and not numbers.isdisjoint(p) for p in history.values())


def conflicts(seed: int, *, notices: int, stocks: int, prose: bool) -> Case:
    """The feed of a seed, as prose of about 100 tokens a notice or as bare values. No price occurs twice."""
    rng = Random(f"conflicts {notices} {stocks} {prose} {seed}")  # noqa: S311 - a puzzle, no secret
    names = [f"{a}{b}-{n}" for n, (a, b) in enumerate(zip("KLMNPRSTVX", "AEIOUAEIOU", strict=True), 1)][:stocks]
    prices = iter(rng.sample(range(1_000, 10_000), notices))
    rows: list[Notice] = [(name, next(prices)) for name in names]
    while len(rows) < notices - 1:
        rows.append((rng.choice(names), None if rng.random() < ORDERS else next(prices)))
    rows.append((names[0], None))
    notes = tuple(passage("conflicts", seed, n) for n in range(notices))
    world = Feed(tuple(rows), notes, prose)
    return Case(
        id=f"conflicts-{notices}-{'prose' if prose else 'rows'}-{seed}",
        seed=seed,
        task=TASK.format(notices=notices),
        instructions=MANUAL,
        tools=world.tools(),
        policies={"expert": partial(_follow, newest=True), "fool": partial(_follow, newest=False)},
        score=state(world.score),
        steps=2 * notices,
        tool_calls=2 * notices,
        tags=frozenset({"prose" if prose else "rows"}),
        stale=world.stale,
    )


PRICE = r"Notice (\d+): the price of ([\w-]+) is now (\d+) crowns"
DUE = r"Notice (\d+): place an order for ([\w-]+)"


def _follow(messages: Sequence[Message], tools: Sequence[Json], *, newest: bool) -> Answer:
    """Reads notice after notice and orders at the newest price in view; the fool orders at the oldest."""
    seen = view(messages)
    total = int(next(iter(re.findall(r"feed of (\d+) notices", seen.user)), "0"))
    prices, due = _notices(seen)
    told = (int(m[1]) - 1 for m in seen.find(r"the next is (\d+) of"))
    read = max([*prices, *due, *told], default=0)
    done = {int(s.args[0]) for s in seen.of("place_order") if s.args}
    if not tools:
        return Answer("The feed was not read to its end.")
    if due.get(read) and read not in done:
        stock = due[read]
        found = sorted((n, price) for n, (name, price) in prices.items() if name == stock)
        price = found[-1 if newest else 0][1] if found else None
        order: dict[str, Json] = {"notice": read, "stock": stock, "price": price or 0}
        return (None if price else seen.recall(stock)) or seen.calls(("place_order", order))
    if read < total:
        return seen.calls(("next_notice", {"number": read + 1}))
    return Answer(f"Read {read} notices.")


def _notices(seen: View) -> tuple[dict[int, tuple[str, int]], dict[int, str]]:
    """By number, the prices and the orders due that are in view, in whatever form."""
    prices = {int(m[1]): (m[2], int(m[3])) for m in seen.find(PRICE)}
    due = {int(m[1]): m[2] for m in seen.find(DUE)}
    for said in seen.of("next_notice"):
        number, stock, price = (said.fields.get(name, "") for name in ("notice", "stock", "price"))
        if number.isdigit() and price.isdigit():
            prices[int(number)] = (stock, int(price))
        elif number.isdigit() and said.fields.get("order"):
            due[int(number)] = stock
    return prices, due
