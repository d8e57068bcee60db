"""What a prompt shows to any careful reader: calls with their answers, words of the user, handles to what is hidden.

Plain transcripts, windows, masked results and digests are read alike. A policy knows what stands here and nothing else;
for what stands behind a handle it can only call `recall`, as a model would.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from typing import TYPE_CHECKING

from satchel.evals.reader import BLOCK, Listing, digests
from satchel.memory.handles import HANDLE
from satchel.runtime.context.message import ToolCall
from satchel.runtime.models import Answer

if TYPE_CHECKING:
    from satchel.memory.records import Json
    from satchel.runtime.context.message import Message

CALLED = re.compile(r"^(?:\d+: )?(?:turn \d+: )?(\w+)\(([^\n]*?)\)(?: = |\s|$)")
PAIR = re.compile(r'(\w+)=("(?:[^"\\]|\\.)*"|[^,]*)')
SAID = re.compile(r"^user, turn \d+: ")
INDEX = re.compile(r"^index of ")
OLDER = "@ older: "

TRIES = 12
"""Handles that are tried for one question before it is given up."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One passage in view: the tool and arguments it belongs to, its words, its named values, and handles beside it."""

    tool: str
    args: tuple[str, ...]
    text: str
    fields: Mapping[str, str]
    refs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class View:
    """Everything in view, oldest first: passages of tools, words of the user, and the handles of index lines."""

    seen: tuple[Seen, ...]
    user: str
    index: tuple[str, ...]
    last: tuple[ToolCall, ...]
    used: frozenset[str]
    seed: str

    def of(self, tool: str) -> Iterator[Seen]:
        """The passages of one tool."""
        return (s for s in self.seen if s.tool == tool)

    def find(self, pattern: str | re.Pattern[str]) -> list[re.Match[str]]:
        """Matches in what tools have said, oldest first."""
        return [m for s in self.seen for m in re.finditer(pattern, s.text)]

    def calls(self, *wanted: tuple[str, dict[str, Json]]) -> Answer:
        """An answer with these calls; their ids are made from the prompt and new beside those that stand in it."""
        ids = (found for n in count() if (found := f"call_{self.seed}_{n}") not in self.used)
        return Answer(calls=tuple(ToolCall(next(ids), name, args) for name, args in wanted))

    def recall(self, *words: str, query: str | None = None) -> Answer | None:
        """A call of `recall` for what stands behind a handle beside these words, or None if every such was tried.

        First all that was stored is searched, once anything stands behind a handle; then the handles beside the words,
        the newest first, those of index lines and those that stand alone, the oldest first, since what is named nowhere
        is older than what is. After `TRIES` it gives up. `query` are the words that the hidden line must hold, where
        they are others.
        """
        query = query or " ".join(words)
        asked = [s.args for s in self.of("recall") if query in s.args]
        if not asked and (self.index or any(s.refs for s in self.seen)):
            return self.calls(("recall", {"query": query}))
        tried = {args[0] for args in asked}
        beside = [ref for s in reversed(self.seen) for ref in _beside(s, words)]
        left = [ref for ref in dict.fromkeys([*beside, *self.index]) if ref not in tried]
        return self.calls(("recall", {"ref": left[0], "query": query})) if left and len(tried) < TRIES else None


def _beside(seen: Seen, words: Sequence[str]) -> Sequence[str]:
    """Handles that stand beside the words: in the passage, or in a recalled text on their line."""
    if seen.tool == "recall":  # its own question stands in it and proves nothing
        lines = (line for line in seen.text.splitlines() if '"ref"' not in line and all(w in line for w in words))
        return [ref for line in lines for ref in HANDLE.findall(line)]
    whole = f"{seen.tool} {' '.join(seen.args)} {seen.text}"
    return seen.refs[::-1] if all(word in whole for word in words) else ()  # what a call gave stands last


def view(messages: Sequence[Message]) -> View:
    """All that the messages show."""
    calls = {call.id: call for message in messages for call in message.calls}
    seen: list[Seen] = []
    user: list[str] = []
    index: list[str] = []
    for message in messages:
        if message.role == "user":
            told, quoted, found = _user(message.content)
            seen += quoted
            user.append(told)
            index += found
        elif message.role == "tool" and message.call_id in calls:
            call = calls[message.call_id]
            args = tuple(map(str, call.args.values())) if isinstance(call.args, dict) else ()
            seen.append(_answer(call.name, args, message.content))
    last = next((m.calls for m in reversed(messages) if m.role == "assistant"), ())
    seed = hashlib.sha256("\0".join(m.content for m in messages).encode(errors="replace")).hexdigest()[:8]
    return View(tuple(seen), "\n".join(user), tuple(index), last, frozenset(calls), seed)


@lru_cache(maxsize=4096)
def _answer(tool: str, args: tuple[str, ...], text: str) -> Seen:
    return Seen(tool, args, text, _fields(text), tuple(HANDLE.findall(text)))


def _fields(text: str) -> Mapping[str, str]:
    """The named values of an answer that is one JSON object, nested names joined by dots."""
    if not text.startswith("{"):
        return {}
    try:
        value, _ = json.JSONDecoder().raw_decode(text)
    except ValueError:
        return {}
    return dict(_leaves(value, ""))


def _leaves(value: Mapping[str, Json], path: str) -> Iterator[tuple[str, str]]:
    for key, leaf in value.items():
        if isinstance(leaf, dict):
            yield from _leaves(leaf, f"{path}{key}.")
        else:
            yield path + key, leaf if isinstance(leaf, str) else json.dumps(leaf)


@lru_cache(maxsize=256)
def _user(content: str) -> tuple[str, tuple[Seen, ...], tuple[str, ...]]:
    """A message of the user: its own words and those that a digest quotes, in order; what the digest shows; indexes."""
    seen: list[Seen] = []
    words: list[str] = []
    index: list[str] = []
    for part in digests(content):
        if isinstance(part, Listing):
            seen.append(Seen(part.tool, (), " ".join(part.rest), {"count": str(part.count)}))
        else:
            shown = ", ".join(f"{k}={v}" for k, v in part.columns.items())
            seen.append(Seen(part.tool, part.args, shown, part.columns))
    at = 0
    for block in BLOCK.finditer(content):
        words.append(content[at : block.start()])
        at = block.end()
        for line in block[2].replace("\n| ", "\0").split("\n"):
            _line(line.replace("\0", "\n"), seen, words, index)
    return "\n".join([*words, content[at:]]), tuple(seen), tuple(index)


def _line(line: str, seen: list[Seen], words: list[str], index: list[str]) -> None:
    refs = tuple(HANDLE.findall(line))
    if SAID.match(line):
        words.append(SAID.sub("", line))
    elif INDEX.match(line) or line.startswith(OLDER):
        index += refs
    elif match := CALLED.match(line):
        args = tuple(_plain(value) for _, value in PAIR.findall(match[2]))
        text = line[match.end() :]
        seen.append(Seen(match[1], args, text, _fields(text), refs))
    elif refs:
        seen.append(Seen("", (), line, {}, refs))


def _plain(value: str) -> str:
    try:
        return str(json.loads(value)) if value.startswith('"') else value.strip()
    except ValueError:
        return value
