"""What a run tells while it goes: one frozen type for each kind of event, in the order of the log."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from satchel.memory.records import Usage

if TYPE_CHECKING:
    from satchel.memory.records import Json


@dataclass(frozen=True, slots=True)
class PromptSent:
    """A model call begins: its step in the run, from 0, the prompt's tokens, and whether a fold came first.

    `saved` is how many tokens the folds that came first took away.
    """

    step: int
    tokens: int
    folded: bool
    saved: int = 0


@dataclass(frozen=True, slots=True)
class ReplyReceived:
    """The model answered with text, tool calls, or both."""

    step: int
    text: str
    calls: int
    usage: Usage


@dataclass(frozen=True, slots=True)
class CallFailed:
    """A model call gave no answer and is tried again after `wait` seconds; `detail` says why."""

    step: int
    detail: str
    wait: float


@dataclass(frozen=True, slots=True)
class CacheAlarm:
    """The provider's cache gives far less than it should; `detail` says how much. Once a run."""

    step: int
    detail: str


@dataclass(frozen=True, slots=True)
class ToolStarted:
    """A tool call begins."""

    call: str
    name: str
    args: Json


@dataclass(frozen=True, slots=True)
class ToolFinished:
    """A tool call has its result; `text` is whole."""

    call: str
    name: str
    text: str
    error: bool


@dataclass(frozen=True, slots=True)
class RunEnded:
    """The run came to an outcome."""

    result: RunResult


@dataclass(frozen=True, slots=True)
class Committed:
    """Records went into the log in one commit, which took so many seconds; for listeners alone."""

    records: int
    seconds: float


@dataclass(frozen=True, slots=True)
class About:
    """What a listener is told first: the thread and its tenant, the model, the mode, and what the run has spent."""

    thread: str
    tenant: str
    model: str
    mode: str
    spent: Usage


Event = PromptSent | ReplyReceived | CallFailed | CacheAlarm | ToolStarted | ToolFinished | RunEnded

Listener = Callable[[Event | Committed], None]
"""Hears the events of one drive of a run as they happen, in the task that they happen in; `RunEnded` is the last."""

Opening = Callable[[About], Listener]
"""Makes the listener of one drive."""


@dataclass(frozen=True, slots=True)
class RunState:
    """Where a thread stands: length of its log, steps, calls by tool, folds, size and peak of its prompts in tokens.

    `predicted_cached` tokens of the run's input should have come from the provider's cache, by its published rules;
    `billed_cached` did. `token_factor` is how many of the model's tokens one of ours is taken for. `warnings` are
    sentences. `summaries` is what a summariser used, a part of the run's usage;
    `surface_share` the part of the prompts' tokens that were system text and tool schemas, sent again each turn.
    """

    position: int
    steps: int
    per_tool: Mapping[str, int]
    folds: int
    prompt_tokens: int
    peak_tokens: int
    digest: str
    predicted_cached: int = 0
    billed_cached: int = 0
    token_factor: float = 1.0
    warnings: tuple[str, ...] = ()
    summaries: Usage = Usage()
    surface_share: float = 0.0


@dataclass(frozen=True, slots=True)
class RunResult:
    """How a run ended: its answer or None, its outcome as data, what it spent, and where its thread stands.

    `detail` says in one sentence why it ended, when that was not the model's own choice.
    """

    output: str | None
    outcome: str
    usage: Usage
    thread: str
    state: RunState
    detail: str = ""
