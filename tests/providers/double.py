"""What all doubles share: an HTTP server on loopback, faults on demand, and caches that bill as the providers say."""

from __future__ import annotations

import json
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import takewhile

from satchel.memory.records import Json
from satchel.runtime.context import tokens
from tests.providers import errand
from tests.providers.errand import Wish


class Refused(Exception):
    """A request that breaks a rule of the provider."""

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Block:
    """A piece of a prompt in the order in which the provider renders it; `marked` where it carries a breakpoint."""

    text: str
    marked: bool = False

    @property
    def tokens(self) -> int:
        return tokens.count(self.text)


@dataclass(frozen=True)
class Billed:
    """Input tokens of a call: all, those read from the cache, those written to it."""

    total: int
    read: int = 0
    written: int = 0


@dataclass
class Prefixes:
    """A cache of every prefix, in steps, from a minimum on, without a fee for writing."""

    minimum: int
    step: int = 1
    seen: dict[str, list[str]] = field(default_factory=dict)

    def bill(self, blocks: Sequence[Block], key: str | None) -> Billed:
        total, text = sum(block.tokens for block in blocks), "\0".join(block.text for block in blocks)
        old = self.seen.setdefault(key or "", [])
        common = text[: max((_common(text, other) for other in old), default=0)]
        old[:] = [*old[-3:], text]
        read = tokens.count(common) // self.step * self.step
        return Billed(total, min(read, total) if read >= self.minimum else 0)


@dataclass
class Marks:
    """A cache of the prefixes that end at a breakpoint; a read looks back from each over `lookback` blocks."""

    minimum: int
    lookback: int
    seen: set[str] = field(default_factory=set)

    def bill(self, blocks: Sequence[Block]) -> Billed:
        ends, texts, size, text = [0], [""], 0, ""
        for block in blocks:
            size, text = size + block.tokens, f"{text}\0{block.text}"
            ends.append(size)
            texts.append(text)
        marked = [n for n, block in enumerate(blocks, 1) if block.marked and ends[n] >= self.minimum]
        read = next((ends[n] for n in self._candidates(marked) if texts[n] in self.seen), 0)
        self.seen.update(texts[n] for n in marked)
        return Billed(size, read, max(0, (ends[marked[-1]] if marked else 0) - read))

    def _candidates(self, marked: Sequence[int]) -> Iterator[int]:
        for mark in reversed(marked):
            yield from range(mark, max(0, mark - self.lookback), -1)


class Double(ABC):
    """One provider: its rules, its wire format, its cache; the model behind it runs the errand."""

    def __init__(self, *, window: int = 200_000, rooms: int = errand.ROOMS) -> None:
        self.window = window
        self.rooms = rooms
        self.requests: list[Json] = []
        self.refusals: list[str] = []
        self.bills: list[Billed] = []
        self.faults: deque[tuple[int, dict[str, str]]] = deque()
        """Statuses and headers of the answers that come instead of the next ones."""
        self.caching = True
        """Whether the cache works; if not, all input is billed as fresh."""
        self.hits = 0
        self.serial = 0

    @abstractmethod
    def check(self, body: Json) -> None:
        """Raise `Refused` for what the provider would refuse."""

    @abstractmethod
    def blocks(self, body: Json) -> list[Block]:
        """The prompt in the order in which it is cached: tools, system text, messages."""

    @abstractmethod
    def offered(self, body: Json) -> Collection[str]:
        """Names of the tools offered."""

    @abstractmethod
    def bill(self, body: Json, blocks: Sequence[Block]) -> Billed:
        """What of the input is read and written."""

    @abstractmethod
    def reply(self, body: Json, wish: Wish, billed: Billed) -> Json:
        """The answer on the wire."""

    @abstractmethod
    def error(self, status: int, message: str, code: str | None) -> Json:
        """An error on the wire."""

    @abstractmethod
    def too_long(self, size: int) -> str:
        """How the provider says that a prompt is too long."""

    def handle(self, body: Json) -> tuple[int, dict[str, str], Json]:
        """One request."""
        self.hits += 1
        if self.faults:
            status, headers = self.faults.popleft()
            return status, headers, self.error(status, "try again", None)
        blocks = self.blocks(body)
        try:
            self.check(body)
            self._check_size(sum(block.tokens for block in blocks))
        except Refused as refused:
            self.refusals.append(str(refused))
            return 400, {}, self.error(400, str(refused), refused.code)
        self.requests.append(body)
        wish = errand.wish("\n".join(block.text for block in blocks), self.offered(body), self.rooms)
        billed = self.bill(body, blocks)
        self.bills.append(billed if self.caching else Billed(billed.total))
        return 200, {}, self.reply(body, wish, self.bills[-1])

    def _check_size(self, size: int) -> None:
        if size > self.window:
            raise Refused(self.too_long(size), code="context_length_exceeded")

    def number(self) -> int:
        """A number for the next id."""
        self.serial += 1
        return self.serial

    @contextmanager
    def serving(self) -> Iterator[str]:
        """The address of a server that answers for this double."""
        with ThreadingHTTPServer(("127.0.0.1", 0), _handler(self)) as server:
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
            thread.start()
            try:
                yield f"http://127.0.0.1:{server.server_port}"
            finally:
                server.shutdown()
                thread.join()


def _handler(double: Double) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        disable_nagle_algorithm = True  # HTTP/1.0: a connection ends with its answer, so that no client keeps one

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, headers, answer = double.handle(body)
            data = json.dumps(answer).encode()
            self.send_response(status)
            for name, value in {**headers, "Content-Type": "application/json", "Content-Length": len(data)}.items():
                self.send_header(name, str(value))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    return Handler


def _common(a: str, b: str) -> int:
    """Characters that two texts share at their beginning."""
    whole = next((n for n in range(0, min(len(a), len(b)), 256) if a[n : n + 256] != b[n : n + 256]), None)
    if whole is None:
        return min(len(a), len(b))
    return whole + sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(a[whole:], b[whole:], strict=False)))


def pairs(asked: Sequence[str], answered: Sequence[str]) -> bool:
    """Whether every call was answered exactly once."""
    return sorted(asked) == sorted(answered) and len(set(asked)) == len(asked)
