"""Tools: a typed function is described to the model, its arguments are checked, and every failure is text to read."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from satchel.memory.errors import ConfigError
from satchel.runtime.failure import describe, redact
from satchel.runtime.output import CAP
from satchel.runtime.tools import Tool, ToolOutput, as_tools, tool


class Size(Enum):
    SMALL = "small"
    LARGE = "large"


class Box(BaseModel):
    width: int
    size: Size = Size.SMALL


@dataclass
class Point:
    x: float
    y: float


@tool(effect="read", cost_usd=0.01, timeout=5, max_inline_tokens=200)
def get_order(order_id: str, limit: int = 3, tags: list[str] | None = None) -> dict[str, Any]:
    """Fetch one order."""
    return {"id": order_id, "limit": limit, "tags": tags}


async def run(call: Tool, args: object = None, key: str = "k") -> ToolOutput:
    return await call.invoke(args, key=key)


def test_a_decorated_function_stays_callable() -> None:
    assert get_order("A1", limit=1) == {"id": "A1", "limit": 1, "tags": None}


def test_a_tool_is_described_by_its_name_docstring_and_annotations() -> None:
    assert get_order.schema == {
        "type": "function",
        "function": {
            "name": "get_order",
            "description": "Fetch one order.",
            "parameters": {
                "type": "object",
                "properties": {
                    "order_id": {"type": "string"},
                    "limit": {"default": 3, "type": "integer"},
                    "tags": {
                        "anyOf": [{"items": {"type": "string"}, "type": "array"}, {"type": "null"}],
                        "default": None,
                    },
                },
                "required": ["order_id"],
                "additionalProperties": False,
            },
        },
    }
    assert (get_order.effect, get_order.cost_usd, get_order.timeout, get_order.max_inline_tokens) == (
        "read",
        0.01,
        5,
        200,
    )


def test_the_bare_decorator_makes_a_write() -> None:
    @tool
    def pay() -> str:
        return "paid"

    assert (pay.effect, pay.cost_usd, pay.timeout, pay.max_inline_tokens) == ("write", 0.0, None, None)
    assert pay.schema["function"]["parameters"] == {"type": "object", "properties": {}, "additionalProperties": False}


async def test_a_result_is_compact_json_and_text_stays_as_it_is() -> None:
    assert await run(get_order, {"order_id": "Zürich"}) == ToolOutput('{"id":"Zürich","limit":3,"tags":null}')

    @tool
    def say() -> str:
        return "as\nit is"

    assert (await run(say)).text == "as\nit is"


async def test_rich_types_are_made_from_json() -> None:
    @tool(effect="read")
    def plan(
        box: Box, day: date, kind: Literal["a", "b"], share: Annotated[float, Field(ge=0, le=1)], pair: tuple[int, str]
    ) -> str:
        """Plan."""
        return f"{box!r} {day!r} {kind} {share} {pair}"

    args = {"box": {"width": 2, "size": "large"}, "day": "2026-11-21", "kind": "b", "share": 1, "pair": [1, "x"]}
    text = "Box(width=2, size=<Size.LARGE: 'large'>) datetime.date(2026, 11, 21) b 1.0 (1, 'x')"
    assert await run(plan, args) == ToolOutput(text)
    bad = await run(plan, {**args, "share": 2, "kind": "c", "box": {"width": "2"}})
    assert bad.error
    for part in (
        "box.width: Input should be a valid integer",
        "kind: Input should be 'a' or 'b'",
        "share: Input should be",
    ):
        assert part in bad.text


@pytest.mark.parametrize(
    ("args", "text"),
    [
        ({}, "order_id: missing, expected string"),
        ({"order_id": 5}, "order_id: Input should be a valid string (string)"),
        ({"order_id": "A", "limit": "3"}, "limit: Input should be a valid integer (integer)"),
        ({"order_id": "A", "limit": True}, "limit: Input should be a valid integer"),
        ({"order_id": "A", "tags": ["x", 1]}, "tags.1: Input should be a valid string (array of string or null)"),
        ({"order_id": "A", "color": 1}, "color: unknown argument; there are order_id, limit, tags"),
        ([1], "give an object with a value for each argument"),
        ('{"order_id": "A"', "they are not a JSON object"),
        ({"order_id": "\ud800"}, "Invalid JSON"),
        ({"order_id": float("nan")}, "order_id: Input should be a valid string"),
        ({"order_id": object()}, "they cannot be read as JSON (TypeError)"),
    ],
)
async def test_bad_arguments_are_an_error_that_names_argument_and_type(args: object, text: str) -> None:
    output = await run(get_order, args)
    assert output.error
    assert output.text.startswith("invalid arguments for get_order: ")
    assert text in output.text


async def test_arguments_that_nest_too_deep_are_an_error() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    output = await run(get_order, {"order_id": deep})
    assert output.error
    assert "cannot be read as JSON" in output.text


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
@settings(max_examples=150, deadline=None)
def test_whatever_a_model_gives_as_arguments_nothing_crashes(args: object) -> None:
    output = asyncio.run(run(get_order, args))
    output.text.encode()


def raises() -> str:
    raise KeyError("no such order")


def exits() -> str:
    raise SystemExit(3)


def cyclic() -> list[Any]:
    out: list[Any] = []
    out.append(out)
    return out


def unprintable() -> str:
    class Odd(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    raise Odd


@pytest.mark.parametrize(
    ("give", "text", "error"),
    [
        (raises, "KeyError: 'no such order'", True),
        (exits, "SystemExit: 3", True),
        (unprintable, "Odd: (its message cannot be shown)", True),
        (lambda: next(iter(())), "StopIteration", True),
        (lambda: b"plain", "plain", False),
        (lambda: b"\xff\x00", "base64:/wA=", False),
        (lambda: float("nan"), "NaN", False),
        (lambda: {"a": float("inf")}, '{"a":"Infinity"}', False),
        (lambda: "a\ud800b", "a\\ud800b", False),
        (lambda: ["\udfff"], '["\\udfff"]', False),
        (lambda: 2**70, "1180591620717411303424", False),
        (lambda: {"n": 10**5000}, '{"n":"0x', False),
        (lambda: {"b", "a"}, '["a","b"]', False),
        (lambda: Point(1, 2), '{"x":1,"y":2}', False),
        (lambda: Box(width=2), '{"width":2,"size":"small"}', False),
        (lambda: Size.LARGE, "large", False),
        (lambda: None, "null", False),
        (cyclic, "[", False),
    ],
)
async def test_whatever_a_tool_does_the_model_can_read_it(give: Any, text: str, error: bool) -> None:  # noqa: FBT001 - a table
    def call() -> Any:
        return give()

    output = await run(tool(call))
    assert output.error is error
    assert output.text.startswith(text)
    output.text.encode()


@pytest.mark.parametrize(
    "give",
    [lambda: "x" * 50_000_000, lambda: "é" * 25_000_000, lambda: b"y" * 50_000_000],
    ids=["ascii", "wide", "bytes"],
)
async def test_a_result_of_50_mb_is_cut_and_says_so(give: Any) -> None:
    def dump() -> Any:
        return give()

    output = await run(tool(dump))
    assert not output.error
    assert CAP - 4 <= len(output.text.encode()) <= CAP
    assert output.text.endswith(
        "[cut by the runtime: the result was 50,000,000 bytes, the rest was not kept; ask for a smaller part]"
    )


async def test_a_hanging_tool_is_abandoned_when_its_time_is_up_and_the_loop_goes_on() -> None:
    release = threading.Event()

    @tool(timeout=0.05)
    def hang() -> str:
        release.wait(30)
        return "late"

    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.005)
            ticks += 1

    ticking = asyncio.create_task(tick())
    began = time.monotonic()
    output = await run(hang)
    ticking.cancel()
    release.set()
    assert output.error
    assert output.text == (
        "TimeoutError: hang gave no result within 0.05 seconds; it could not be stopped and may still take effect"
    )
    assert time.monotonic() - began < 5
    assert ticks > 1


async def test_many_hanging_tools_do_not_fill_a_pool() -> None:
    release = threading.Event()

    @tool(timeout=0.2)
    def hang() -> str:
        release.wait(30)
        return "late"

    @tool
    def quick() -> str:
        return "done"

    hanging = [asyncio.create_task(run(hang)) for _ in range(64)]
    assert await run(quick) == ToolOutput("done")
    assert all(output.error for output in await asyncio.gather(*hanging))
    release.set()


async def test_an_async_tool_is_cancelled_when_its_time_is_up() -> None:
    cancelled = asyncio.Event()

    @tool(timeout=0.02)
    async def hang() -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise
        return "never"

    output = await run(hang)
    assert output == ToolOutput("TimeoutError: hang gave no result within 0.02 seconds", error=True)
    assert cancelled.is_set()


async def test_a_timeout_inside_a_tool_is_the_tool_s_own() -> None:
    @tool(timeout=5)
    async def fetch() -> str:
        raise TimeoutError("the server was slow")

    assert await run(fetch) == ToolOutput("TimeoutError: the server was slow", error=True)


@pytest.mark.parametrize("blocking", [True, False])
async def test_cancellation_passes_through(blocking: bool) -> None:  # noqa: FBT001 - a table
    started, release = threading.Event(), threading.Event()

    def wait() -> str:
        started.set()
        release.wait(30)
        return "late"

    async def awaiting() -> str:
        started.set()
        await asyncio.Event().wait()
        return "never"

    task = asyncio.create_task(run(tool(wait if blocking else awaiting)))
    await asyncio.to_thread(started.wait)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    release.set()


async def test_a_function_that_returns_an_awaitable_is_awaited() -> None:
    async def inner(n: int) -> int:
        return n + 1

    @tool
    def outer(n: int) -> Any:
        return inner(n)

    assert await run(outer, {"n": 1}) == ToolOutput("2")


async def test_the_idempotency_key_is_handed_over_and_hidden_from_the_model() -> None:
    @tool
    def pay(amount: int, *, idempotency_key: str) -> str:
        return f"{amount} by {idempotency_key}"

    assert list(pay.schema["function"]["parameters"]["properties"]) == ["amount"]
    assert await run(pay, {"amount": 5}, key="t1:7") == ToolOutput("5 by t1:7")
    assert (await run(pay, {"amount": 5, "idempotency_key": "mine"})).error


async def test_a_method_is_a_tool_of_its_object() -> None:
    class Shop:
        def __init__(self, stock: int) -> None:
            self.stock = stock

        @tool(effect="idempotent")
        def left(self, reserve: int = 0) -> int:
            """What is left."""
            return self.stock - reserve

        def plain(self, n: int) -> int:
            return self.stock + n

    shop = Shop(7)
    bound, plain = as_tools([shop.left, shop.plain])
    assert list(bound.schema["function"]["parameters"]["properties"]) == ["reserve"]
    assert await run(bound, {"reserve": 2}) == ToolOutput("5")
    assert await run(plain, {"n": 1}) == ToolOutput("8")


async def test_arguments_may_have_any_name() -> None:
    @tool
    def odd(schema: str, model_config: int, _hidden: int = 0, copy: bool = False) -> str:  # noqa: FBT001, FBT002 - names
        return f"{schema}{model_config}{_hidden}{copy}"

    assert await run(odd, {"schema": "a", "model_config": 1, "_hidden": 2, "copy": True}) == ToolOutput("a12True")


def test_tools_keep_the_order_they_are_given_in() -> None:
    def zebra() -> str:
        return ""

    def ant() -> str:
        return ""

    assert [t.name for t in as_tools([zebra, get_order, ant])] == ["zebra", "get_order", "ant"]
    assert as_tools([zebra])[0].effect == "write"


def named(name: str) -> Any:
    def function() -> str:
        return ""

    function.__name__ = name
    return function


def starred(*names: str) -> str:
    return "".join(names)


def keyed(**names: str) -> str:
    return "".join(names)


def strange(thing: threading.Event) -> str:
    return str(thing)


def unknown(thing: Missing) -> str:  # type: ignore[name-defined]  # noqa: F821 - that is the point
    return str(thing)


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ([get_order, get_order], "two tools are named 'get_order'"),
        ([named("recall")], "that of a built-in tool"),
        ([named("bad name")], "the name must match"),
        ([named("x" * 65)], "the name must match"),
        ([lambda: 1], "must be a function with a name"),
        ([int], "must be a function with a name"),
        ([starred], r"\*names: .*cannot be described"),
        ([keyed], r"\*\*names: .*cannot be described"),
        ([strange], "an annotation cannot be checked"),
        ([unknown], "its signature cannot be read"),
        ([5], "5 is no tool"),
        ({get_order}, "must come in a list"),
    ],
)
def test_what_is_no_tool_is_refused_by_name(items: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        as_tools(items)


@pytest.mark.parametrize(
    "options",
    [{"effect": "erase"}, {"cost_usd": -1}, {"timeout": 0}, {"max_inline_tokens": 0}, {"cost_usd": float("nan")}],
)
def test_wrong_options_are_refused_when_the_tool_is_made(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(options))):
        tool(**options)(named("fine"))


def test_schemas_are_steady_json() -> None:
    assert json.dumps(get_order.schema) == json.dumps(tool(effect="read")(get_order.function).schema)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("key sk-proj-abcdefghij1234567890 was wrong", "key *** was wrong"),
        ("Authorization: Bearer abcdef.ghijkl-mnopqrstuv", "Authorization: Bearer ***"),
        ("redis://user:hunter22@host:1", "redis://***@host:1"),
        ("api_key='abcd1234'", "api_key='***'"),
        ("AKIAIOSFODNN7EXAMPLE", "***"),
        ("basic authentication failed for sketch-book", "basic authentication failed for sketch-book"),
    ],
)
def test_secrets_are_blanked(text: str, kept: str) -> None:
    assert redact(text) == kept


def test_a_long_message_is_bounded_and_has_no_traceback() -> None:
    text = describe(ValueError("x " * 10_000 + "\nTraceback (most recent call last)"))
    assert len(text) < 600
    assert "Traceback" not in text
