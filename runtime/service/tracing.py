"""What carries a trace through the service: headers of a request, kept with its run, current while that is executed.

It works without OpenTelemetry: then the caller's `traceparent` is handed on as it came, and logs name its trace.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, MutableMapping

    from satchel.memory.runs import Turn
    from satchel.runtime.telemetry import Telemetry

    Scope = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Scope]]
    Send = Callable[[Scope], Awaitable[None]]

TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
"""W3C Trace Context, section 3.2 (https://www.w3.org/TR/trace-context/)."""

STATE = 512
"""Characters of a `tracestate` that are kept (section 3.3.1.5: what at least is to be handed on)."""

BROKEN = 500
"""The first status that is the server's own fault."""

CARRIED: ContextVar[Mapping[str, str] | None] = ContextVar("carried", default=None)
"""The headers that what this request causes is to carry."""

ABOUT: ContextVar[Mapping[str, str] | None] = ContextVar("about", default=None)
"""What each line of the log says about the request or run that it comes from."""

log = logging.getLogger("satchel.service")


def carried(headers: Mapping[bytes, bytes]) -> dict[str, str]:
    """The headers of a trace, if they are well formed."""
    parent = headers.get(b"traceparent", b"").decode("latin-1").strip()
    if not TRACEPARENT.fullmatch(parent):
        return {}
    state = headers.get(b"tracestate", b"").decode("latin-1")[:STATE]
    return {"traceparent": parent, **({"tracestate": state} if state else {})}


def trace_id(headers: Mapping[str, str]) -> dict[str, str]:
    """The trace that headers name, as a log has it."""
    found = TRACEPARENT.fullmatch(headers.get("traceparent", ""))
    return {"trace_id": found[1]} if found else {}


class Traced:
    """ASGI middleware: takes up a request's trace, and tells telemetry and the log how the request ended."""

    def __init__(self, app: Callable[[Scope, Receive, Send], Awaitable[None]], telemetry: Telemetry | None) -> None:
        self._app = app
        self._telemetry = telemetry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 0

        async def sent(message: Scope) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        headers, method, began = carried(dict(scope["headers"])), scope["method"], time.monotonic()
        with self._telemetry.request(method, headers) if self._telemetry else nullcontext() as tell:
            now = tell({}) if tell else headers
            CARRIED.set(now)  # the request's task is its own: nothing to put back
            ABOUT.set(trace_id(now))
            try:
                await self._app(scope, receive, sent)
            finally:
                route = getattr(scope.get("route"), "path", "")
                if tell:
                    seen = {"http.route": route, "http.response.status_code": status}
                    tell(seen, rename=f"{method} {route}".strip(), error=not 0 < status < BROKEN)
                seconds = round(time.monotonic() - began, 6)
                log.info("%s %s", method, route or "-", extra={"seconds": seconds, "status": status})


@contextmanager
def run(turn: Turn, asked: Mapping[str, Any], telemetry: Telemetry | None) -> Iterator[Callable[[str], None]]:
    """The execution of a run, below the request that asked for it. Gives what takes its status."""
    headers, thread, began, status = asked.get("trace") or {}, turn.thread, time.monotonic(), "interrupted"
    ABOUT.set({"run_id": turn.run, "thread_id": thread.name, "tenant": thread.tenant, **trace_id(headers)})
    named = {"run.id": turn.run, "tenant": thread.tenant, "attempt": turn.attempt, "graph": asked["graph_id"]}
    log.info("run begun", extra={"attempt": turn.attempt})

    def end(how: str) -> None:
        nonlocal status
        status = how

    with telemetry.run(headers, thread.name, **named) if telemetry else nullcontext() as tell:
        try:
            yield end
        finally:
            if tell:
                tell({"satchel.run.status": status}, error=status == "error")
            log.info("run ended", extra={"status": status, "seconds": round(time.monotonic() - began, 6)})
