"""What a thread's log holds: one frozen record for each thing that happened."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, Literal

Json = Any
"""A JSON value: None, bool, int, float, str, list or dict with string keys."""

Effect = Literal["read", "idempotent", "write"]
"""What may be done with a tool call that a crash left in doubt: `write` is never repeated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Spending in disjoint buckets: tokens, calls, and US dollars (None: the price is unknown, not zero)."""

    fresh: int = 0
    cache_read: int = 0
    cache_write: int = 0
    output: int = 0
    reasoning: int = 0
    model_calls: int = 0
    tool_calls: int = 0
    usd: float | None = 0.0

    @property
    def input(self) -> int:
        """All input tokens, cached or not."""
        return self.fresh + self.cache_read + self.cache_write

    @property
    def total(self) -> int:
        """All tokens; reasoning tokens are billed as output and counted beside it."""
        return self.input + self.output + self.reasoning

    def __add__(self, other: Usage) -> Usage:
        usd = None if self.usd is None or other.usd is None else self.usd + other.usd
        counts = {f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self) if f.name != "usd"}
        return Usage(**counts, usd=usd)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """The first entry of every thread: `salt`, in hexadecimal, is what its handles are derived from."""

    salt: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A run began, or went on after a stop or a crash (`resumed`), with this budget (the limits that are set)."""

    run: int
    mode: str
    budget: dict[str, Json] = field(default_factory=dict)
    resumed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """Words of the user."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One answer of a model. Its tool calls follow as `Call` records in the same commit.

    `opaque` holds what only the provider understands (signatures, thinking blocks) and is sent back unmodified;
    `seconds` is the time since the step began. `counted` is what the prompt has by our own count, in tokens, and
    `predicted` how many of them should have come from the provider's cache (None: nothing is known of it).
    """

    step: int
    text: str
    model: str
    usage: Usage
    opaque: Json = None
    seconds: float = 0.0
    counted: int = 0
    predicted: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A tool call that a reply asked for: the intent, written before the tool runs.

    `refused` says why it may not: a budget's name, or `schema` where the tool's whole description came first.
    """

    id: str
    name: str
    args: Json
    effect: Effect = "write"
    refused: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a tool call returned, whole, as text.

    `of` is the entry whose text was recalled. Such a result is stored without what it copies of that text; `cuts` says
    what goes where. In memory a result is always whole, and has none.
    """

    call: str
    text: str
    error: bool = False
    usd: float = 0.0
    of: int | None = None
    cuts: Json = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """Older turns were folded before the next prompt: `room` (tokens) and `deep` repeat the fold byte for byte.

    `certificate` says what was proven; `page` is the entry that holds the index of older handles made now, if any.
    """

    room: int
    deep: bool
    certificate: dict[str, Json]
    page: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """An index of handles too old to stand in the prompt themselves."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """Spending without a reply: a failed attempt, a summary.

    `again` says that the model is asked once more. `cap` is the most tokens, by our own count, that later prompts of
    the run may have, after one that the provider found too long. `prose` is what a summariser said of the folds just
    before ("": nothing of use); None where it was not asked.
    """

    why: str
    usage: Usage
    seconds: float = 0.0
    again: bool = False
    cap: int | None = None
    prose: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A run came to an outcome; `text` is its answer, if it has one."""

    outcome: str
    text: str | None = None
    detail: str = ""


Record = Opened | Started | Said | Reply | Call | Result | Fold | Page | Charge | Ended


@dataclass(frozen=True, slots=True)
class Entry:
    """A record in its place: `op` names the operation that wrote it, `seq` is its position in the log, from 0."""

    seq: int
    op: str
    record: Record
