"""A turn as the engine sees it: one message of the user, or one reply with the results of its calls.

Every text in it that may be left out of a prompt has a number, its position in the thread's log, from which its handle
is made.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from satchel.runtime.context import tokens
from satchel.runtime.context.message import Message


@dataclass(frozen=True, slots=True)
class Turn:
    """Messages that stand or fall together. `seqs` number their contents, `call_seqs` the calls of a reply.

    `caps` are the most tokens that each result may take in the prompt, where its tool says so.
    """

    messages: tuple[Message, ...]
    seqs: tuple[int, ...]
    call_seqs: tuple[int, ...] = ()
    caps: tuple[int | None, ...] = ()

    @property
    def size(self) -> int:
        """Tokens of the messages."""
        return sum(map(tokens.count_message, self.messages))

    @property
    def is_user(self) -> bool:
        """Whether these are words of the user."""
        return self.messages[0].role == "user"

    def with_messages(self, messages: tuple[Message, ...]) -> Turn:
        """The same turn, shown by other messages."""
        return Turn(messages, self.seqs, self.call_seqs, self.caps)


def turns(messages: Iterable[Message], start: int = 0) -> Iterator[Turn]:
    """Group a chat without its system messages into turns and number its texts from `start` in reading order."""
    group: list[Message] = []
    seq = start

    def numbered(group: list[Message]) -> Turn:
        nonlocal seq
        calls = sum(len(m.calls) for m in group)
        first, results = seq, seq + 1 + calls
        seq = results + len(group) - 1
        return Turn(tuple(group), (first, *range(results, seq)), tuple(range(first + 1, first + 1 + calls)))

    for message in messages:
        if group and (message.role != "tool" or group[0].role != "assistant"):
            yield numbered(group)
            group = []
        group.append(message)
    if group:
        yield numbered(group)
