"""What enters the prompt when a turn arrives: results slimmed, what is too large previewed, decided once.

A turn may take up to `SHARE` of the room for messages. A text above `CAP` tokens, and in a crowded turn every text
above the level at which the turn fits, is shown by a preview and a handle to the whole.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from satchel.runtime.context import tokens
from satchel.runtime.context.preview import NOTE, describe, preview
from satchel.runtime.context.slim import slim

if TYPE_CHECKING:
    from satchel.memory.records import Json
    from satchel.runtime.context.message import Message, ToolCall
    from satchel.runtime.context.turn import Turn

CAP = 4_000
"""Tokens of one result in full; above, 1.5k lost 6 points of recall on recorded coding runs and 4k none."""

SHARE = 0.5
"""Share of the room for messages that one turn may take on arrival."""

USER_SHARE = 0.25
"""Share of the room that one message of the user may take verbatim."""

ROLE = 16
"""Tokens around one text: role, name and call id, at most."""

FLOOR = 48
"""Tokens below which a preview would say nothing."""

Handle = Callable[[int], str]
"""From the number of a text to its handle."""


def slimmed(turn: Turn) -> Turn:
    """The turn with its results in fewer characters that say the same; itself if none has any to spare."""
    shown = tuple(_shorter(m, slim(m.content)) if m.role == "tool" else m for m in turn.messages)
    return turn if all(a is b for a, b in zip(shown, turn.messages, strict=True)) else turn.with_messages(shown)


def arrive(turn: Turn, room: int, handle: Handle) -> Turn:
    """The turn as it enters the prompt; itself if nothing had to be left out."""
    if turn.is_user:
        return _user(turn, int(room * USER_SHARE), handle)
    limit = _level(_sizes(turn), int(room * SHARE))
    reply, *results = turn.messages
    shown = [_reply(reply, turn, limit, handle) if limit else reply]
    for n, (message, seq) in enumerate(zip(results, turn.seqs[1:], strict=True)):
        most = min(filter(None, (limit, turn.caps[n] if turn.caps else None)), default=None)
        text = describe(message.content, handle(seq))
        shown.append(_shorter(message, text if most is None else preview(text, most, handle(seq))))
    return turn if all(a is b for a, b in zip(shown, turn.messages, strict=True)) else turn.with_messages(tuple(shown))


def _user(turn: Turn, limit: int, handle: Handle) -> Turn:
    (message,) = turn.messages
    shown = _shorter(message, preview(message.content, limit, handle(turn.seqs[0])))
    return turn if shown is message else turn.with_messages((shown,))


def _shorter(message: Message, content: str) -> Message:
    return message if content is message.content else replace(message, content=content)


def _sizes(turn: Turn) -> list[int]:
    reply, *results = turn.messages
    calls = [tokens.count(call.name) + tokens.at_most(_text(call.args), CAP) for call in reply.calls]
    texts = (reply.content, *(m.content for m in results))
    return [*calls, *(tokens.at_most(text, CAP) + ROLE for text in texts)]


def _level(sizes: Sequence[int], room: int) -> int | None:
    """The most tokens that each text may take so that all fit in `room`; None if nothing needs to be cut."""
    if max(sizes) <= CAP and sum(sizes) <= room:
        return None
    left, level = room, CAP
    for n, size in enumerate(sorted(sizes)):
        level = min(CAP, left // (len(sizes) - n))
        if size > level:
            break
        left -= size
    return max(FLOOR, level - NOTE)


def _reply(message: Message, turn: Turn, limit: int, handle: Handle) -> Message:
    if message.opaque is not None:  # what only the provider understands goes back unmodified
        return message
    calls = tuple(_call(c, limit, handle(seq)) for c, seq in zip(message.calls, turn.call_seqs, strict=True))
    content = preview(message.content, limit, handle(turn.seqs[0]))
    if content is message.content and all(a is b for a, b in zip(calls, message.calls, strict=True)):
        return message
    return replace(message, content=content, calls=calls)


def _text(args: Json) -> str:
    return args if isinstance(args, str) else tokens.compact(args)


def _call(call: ToolCall, limit: int, handle: str) -> ToolCall:
    if tokens.at_most(_text(call.args), limit) <= limit:
        return call
    if isinstance(call.args, dict) and len(call.args) * FLOOR < limit:
        each = _level([tokens.at_most(_text(v), limit) for v in call.args.values()], limit) or limit
        return replace(call, args={k: _cut(v, each, handle) for k, v in call.args.items()})
    return replace(call, args={"preview": preview(_text(call.args), limit, handle)})


def _cut(value: Json, limit: int, handle: str) -> Json:
    return value if tokens.at_most(text := _text(value), limit) <= limit else preview(text, limit, handle)
