"""The scripted model of agents that ask for summaries: a policy plays, and a prompt without tools is summarised."""

from __future__ import annotations

from typing import TYPE_CHECKING

from satchel.runtime.context import tokens
from satchel.runtime.meter import Meter, conversation
from satchel.runtime.models import Answer, Policy, Scripted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from satchel.memory.records import Json
    from satchel.runtime.context.message import Message

SUMMARY = 1_000
"""Tokens of a scripted summary."""

HEAD = 4
"""The part of it that quotes the beginning, where the task stands; the rest quotes the end.

A quarter, as LangChain's own `SummarizationMiddleware` cuts a history that its model refuses.
"""

MARK = "<messages>"
"""Behind it LangChain's prompt for summaries holds the history."""


def summarising(policy: Policy) -> Scripted:
    """A model that plays by the policy where it is offered tools, and quotes what it is given where it is not.

    All prompts of the agent are one conversation to its cache, as they are to a provider's: the first message changes
    with each summary, system text and tool schemas do not.
    """

    def play(messages: Sequence[Message], tools: Sequence[Json]) -> Answer:
        return policy(messages, tools) if tools else Answer(quote(messages[-1].content))

    def line(messages: Sequence[Message]) -> tuple[str, ...]:
        return conversation(messages)[:1] if messages[0].role == "system" else conversation(messages)

    return Scripted(play, meter=Meter(key=line))


def quote(text: str) -> str:
    """The beginning and the end of a history."""
    ids = tokens.encode(text.partition(MARK)[2] or text)
    if len(ids) <= SUMMARY:
        return tokens.decode(ids)
    return f"{tokens.decode(ids[: SUMMARY // HEAD])}\n...\n{tokens.decode(ids[-(SUMMARY - SUMMARY // HEAD) :])}"
