"""Customer service: policies, a database, a simulated user, and writes that must be right.

One customer comes back with request after request in one conversation. The rules stand in the instructions, the facts
in the database; later requests refer to earlier ones ("to the card of my last order").
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

from satchel.evals.case import Case
from satchel.evals.catalogue import passage
from satchel.evals.graders import state
from satchel.evals.service_policy import clerk, parrot
from satchel.runtime.tools import Tool, tool

if TYPE_CHECKING:
    from satchel.memory.records import Json

MANUAL = """You serve customers of a shop. Look things up; never guess a number.

- Only delivered orders can be refunded, up to 30 days after delivery, to the card they were paid with or that of \
another order if the customer asks for it, less a fee of 10 per cent (round down) if the parcel was opened.
- Only open orders can be cancelled. Shipped orders can be neither cancelled nor refunded.
- The address of an order can be changed while it is open.
- Before you write anything, say what you will do and ask: "Shall I?" Write only after the customer says yes.
- One request at a time. If a rule forbids it, say so in one sentence that begins with "Sorry"."""

TASK = "Hello, my customer number is {customer}. {request}"
STATES = ("open", "shipped", "delivered")
LIMIT, FEE = 30, 10
"""Days after delivery in which a refund is due, and the fee for an opened parcel in per cent."""


@dataclass(slots=True)
class Order:
    """A row of the database; `days` counts from delivery."""

    total: int
    status: str
    card: str
    city: str
    days: int
    opened: bool


@dataclass(slots=True)
class Shop:
    """The world: orders, what the customer wants, the right writes, and the writes made."""

    customer: str
    orders: dict[str, Order]
    requests: list[str]
    due: list[tuple[Json, ...]]
    prose: Callable[[str], str]
    flaky: bool
    made: list[tuple[Json, ...]] = field(default_factory=list)
    asked: int = 0
    patience: int = 0
    tried: dict[str, int] = field(default_factory=dict)

    def tools(self) -> tuple[Tool, ...]:
        """What a clerk can do."""

        @tool(effect="read")
        async def list_orders(customer: str) -> list[str]:
            """The orders of a customer, the oldest first."""
            return list(self.orders) if customer == self.customer else []

        @tool(effect="read")
        async def get_order(order: str) -> dict[str, str | int | bool]:
            """An order: total in cents, status, card, city, days since delivery, whether the parcel was opened."""
            self._fail(order)
            row = self.orders.get(order)
            if row is None:
                return {"error": f"no order {order}"}
            shown = {name: getattr(row, name) for name in Order.__slots__}
            return shown | ({"remarks": self.prose(order)} if self.prose(order) else {})

        @tool(effect="write")
        async def refund(order: str, cents: int, card: str) -> str:
            """Pay an amount back to a card."""
            self.made.append(("refund", order, cents, card))
            return f"Refunded {cents} for {order} to {card}."

        @tool(effect="write")
        async def cancel(order: str) -> str:
            """Cancel an order."""
            self.made.append(("cancel", order))
            self.orders[order].status = "cancelled"
            return f"Cancelled {order}."

        @tool(effect="write")
        async def change_city(order: str, city: str) -> str:
            """Change the city that an order goes to."""
            self.made.append(("city", order, city))
            return f"{order} goes to {city}."

        return list_orders, get_order, refund, cancel, change_city

    def _fail(self, order: str) -> None:
        """In a flaky shop every first look at every other order fails."""
        self.tried[order] = self.tried.get(order, 0) + 1
        if self.flaky and self.tried[order] == 1 and order in list(self.orders)[::2]:
            raise TimeoutError("the database did not answer; try again")

    def user(self, reply: str) -> str | None:
        """The customer: agrees when asked, repeats once what was not understood, else comes with the next request."""
        if "Shall I?" in reply and self.patience == 0:
            self.patience = 1
            return "Yes, please."
        self.patience = 0
        self.asked += 1
        return self.requests[self.asked] if self.asked < len(self.requests) else None

    def score(self) -> float:
        """Right writes over all that were due or made: a wrong write costs as much as a missing one."""
        right = sum(write in self.due for write in dict.fromkeys(self.made))
        wrong = len(self.made) - right
        return max(0, right - wrong) / len(self.due)


def service(seed: int, *, requests: int, verbose: bool, flaky: bool) -> Case:
    """The customer of a seed, with `requests` requests, each about another order; at least one write is due."""
    rng = Random(f"service {requests} {seed}")  # noqa: S311 - a puzzle, no secret
    names = [f"W{n:06d}" for n in rng.sample(range(100_000, 999_999), requests + 2)]
    orders = {name: _order(rng) for name in names}
    first = names[0]
    orders[first] = Order(rng.randint(20, 900) * 100, "delivered", _card(rng), "Graz", 5, opened=False)
    asks: list[str] = []
    due: list[tuple[Json, ...]] = []
    last = first
    for name in [first, *rng.sample(names[1:], requests - 1)]:
        kind = "refund" if name == first else rng.choice(("refund", "cancel", "city", "first", "last"))
        words, write = _request(kind, name, orders, {"first": first, "last": last}.get(kind, name), rng)
        last = name
        asks.append(words)
        due += [write] if write else []
    world = Shop(
        customer=f"C{rng.randint(1000, 9999)}", orders=orders, requests=asks, due=due, flaky=flaky,
        prose=lambda order: passage("service", seed, order) if verbose else "",
    )  # fmt: skip
    return Case(
        id=f"service-{requests}-{seed}",
        seed=seed,
        task=TASK.format(customer=world.customer, request=asks[0]),
        instructions=MANUAL,
        tools=world.tools(),
        policies={"expert": clerk, "fool": parrot},
        score=state(world.score),
        steps=16,
        tool_calls=24,
        tags=frozenset({"multi-turn", "verbose" if verbose else "bare", *(["flaky"] if flaky else [])}),
        user=world.user,
    )


def _order(rng: Random) -> Order:
    status = rng.choice(STATES)
    days = rng.randint(1, 60) if status == "delivered" else 0
    city = rng.choice(("Lund", "Porto", "Tartu"))
    return Order(rng.randint(20, 900) * 100, status, _card(rng), city, days, rng.random() < 0.5)  # noqa: PLR2004 - half


def _card(rng: Random) -> str:
    return f"card-{rng.randint(1000, 9999)}"


def _request(
    kind: str, name: str, orders: dict[str, Order], payer: str, rng: Random
) -> tuple[str, tuple[Json, ...] | None]:
    """What the customer says, and the write that is right; None where a rule forbids it."""
    order = orders[name]
    if kind == "cancel":
        return f"Please cancel order {name}.", ("cancel", name) if order.status == "open" else None
    if kind == "city":
        city = rng.choice(("Brno", "Cork", "Turku"))
        return f"Please send order {name} to {city}.", ("city", name, city) if order.status == "open" else None
    refundable = order.status == "delivered" and order.days <= LIMIT
    cents = order.total * (100 - FEE) // 100 if order.opened else order.total
    where = "" if kind == "refund" else f", but to the card of my {kind} order"
    return f"Please refund order {name}{where}.", ("refund", name, cents, orders[payer].card) if refundable else None
