"""Threads: a conversation that is kept, and goes on where it was."""

from __future__ import annotations

from collections.abc import Sequence

from satchel import Agent
from satchel.memory.memory_store import MemoryStore
from satchel.memory.records import Json
from satchel.runtime.context.message import Message
from satchel.runtime.models import Answer, Scripted


def last_words(messages: Sequence[Message], _: Sequence[Json]) -> Answer:
    """Says how often the user has spoken, and what came first."""
    said = [message.content for message in messages if message.role == "user"]
    return Answer(f"{len(said)} so far, first: {said[0]}")


def test_a_thread_remembers_and_another_one_knows_nothing_of_it() -> None:
    agent = Agent(model=Scripted(last_words), store=MemoryStore())

    assert agent.run("I am Ada.", thread="ada").output == "1 so far, first: I am Ada."
    assert agent.run("Who am I?", thread="ada").output == "2 so far, first: I am Ada."
    assert agent.run("Who am I?", thread="bob").output == "1 so far, first: Who am I?"
