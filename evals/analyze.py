"""`analyze`: what a mode would have sent for transcripts that people have, against full history, and what it lost.

No model is called. The figures say what would have been billed and which needed facts would have been in the prompt;
whether the agent would have done as well they cannot say.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from satchel.evals.fidelity import Fidelity, fidelity
from satchel.evals.replay import Call, Replay
from satchel.evals.statistics import ratio
from satchel.evals.transcripts import formats
from satchel.evals.verdict import MINIMUM
from satchel.memory.errors import ConfigError, SatchelError
from satchel.memory.records import Usage
from satchel.runtime.context.context import fixed
from satchel.runtime.context.controller import Rates
from satchel.runtime.meter import Meter
from satchel.runtime.mode import MODES, Mode
from satchel.runtime.mode import mode as mode_named
from satchel.runtime.prices import bill, bill_prompt, row
from satchel.runtime.prices_known import look_up

if TYPE_CHECKING:
    from pathlib import Path

    from satchel.evals.transcripts.transcript import Transcript
    from satchel.runtime.prices import Price

LIMIT = "+12000"
"""The context limit unless another is asked for: tokens beyond the fixed surface."""

NO_LIMIT = "999999999"

FULL = MODES["stateless"]
"""Full history, each prompt with its repeated prefix cached."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """Prompts of one way to send: input tokens, those of a prefix sent the call before, the largest, and the bills."""

    input: int
    cached: int
    peak: int
    usd: Mapping[str, float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One transcript, or several added up.

    `full` and `ours` are what would have been sent, input alone. `surface` are the tokens of system text and tool
    schemas, times calls. `recorded` is the usage as it was billed, of `recorded_calls` calls; `recorded_usd` its input
    by price row, `bill` all of it in dollars. `unseen` are the input tokens of the first call beyond what the
    transcript shows of it; None where no usage is recorded.
    """

    calls: int
    full: Sent
    ours: Sent
    fidelity: Fidelity
    folds: int
    surface: int
    recorded: Usage
    recorded_calls: int
    recorded_usd: Mapping[str, float | None]
    bill: float | None
    unseen: int | None
    compactions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """A mode, a context limit (`N`, or `+N` beyond the fixed surface), and price rows: folds are timed by the first."""

    mode: Mode
    limit: str
    rows: tuple[Price, ...]

    @classmethod
    def of(cls, mode: str | Mode, limit: str, prices: Iterable[str]) -> Settings:
        """Settings by name; raises `ConfigError`."""
        rows = tuple({found.name: found for found in map(row, prices)}.values())
        if not rows:
            raise ConfigError("an analysis needs at least one price row, for example c=.10,w=1.25")
        return cls(mode=mode_named(mode), limit=limit, rows=rows)

    def measure(self, found: Transcript) -> Figures:
        """The figures of one transcript. Raises `TraceError` where a prompt cannot be brought under the limit."""
        trajectory, priced = found.trajectory, self._rows(found)
        full, _ = Replay(FULL, NO_LIMIT).run(trajectory)
        limit = self.limit if self.mode.bounded else NO_LIMIT
        calls, vault = Replay(self.mode, limit, Rates(*self.rows[0].rates)).run(trajectory)
        history = sent(full, priced, cached=True)
        first = found.billed[0].usage.input - full[0].prompt.size if found.billed else None
        system = [m for m in full[0].prompt.messages if m.role == "system"]
        return Figures(
            calls=len(calls),
            full=history,
            ours=sent(calls, priced, cached=self.mode.cached),
            fidelity=sum(fidelity(trajectory, calls, vault), Fidelity()),
            folds=sum(len(call.prompt.folds) for call in calls),
            surface=len(calls) * fixed(system, trajectory.tools),
            recorded=sum((b.usage for b in found.billed), Usage()),
            recorded_calls=len(found.billed),
            recorded_usd={price.name: _input(found, price) for price in priced},
            bill=_bill(found),
            unseen=None if first is None else max(0, first),
            compactions=found.compactions,
        )

    def _rows(self, found: Transcript) -> tuple[Price, ...]:
        """The price rows, and that of the recorded model if it is known."""
        own = look_up(found.model) if found.model else None
        return (*self.rows, own) if own and own.name not in {price.name for price in self.rows} else self.rows


def sent(calls: Sequence[Call], rows: Iterable[Price], *, cached: bool) -> Sent:
    """What prompts come to, each prefix that was sent the call before read from the cache."""
    meter = Meter()
    splits = [meter.measure(call.prompt.messages, call.prompt.tools) for call in calls]
    sizes = [(split.cached if cached else 0, split.cached + split.rest) for split in splits]
    return Sent(
        input=sum(size for _, size in sizes),
        cached=sum(read for read, _ in sizes),
        peak=max((size for _, size in sizes), default=0),
        usd={price.name: _sum(bill_prompt(read, size - read, price) for read, size in sizes) for price in rows},
    )


def _input(found: Transcript, price: Price) -> float | None:
    """The recorded input at a price row; None where no usage is recorded."""
    inputs = (replace(one.usage, output=0, reasoning=0) for one in found.billed)
    return _sum(bill(usage, price) for usage in inputs) if found.billed else None


def _bill(found: Transcript) -> float | None:
    """The recorded bill in dollars, output included: as recorded, else at the price of the model that answered."""
    prices = {one.model: look_up(one.model) if one.model else None for one in found.billed}
    known = {model: price if price and price.unit == "usd" else None for model, price in prices.items()}
    each = (bill(b.usage, known[b.model]) if b.usage.usd is None else b.usage.usd for b in found.billed)
    return _sum(each) if found.billed else None


def _sum(values: Iterable[float | None]) -> float | None:
    """A sum that is unknown if a part is."""
    every = list(values)
    known = [value for value in every if value is not None]
    return sum(known) if len(known) == len(every) else None


def _sums(maps: Sequence[Mapping[str, float | None]]) -> dict[str, float | None]:
    """Sums by the rows that all have, since a bill for some of the transcripts compares with nothing."""
    names = [name for name in maps[0] if all(name in other for other in maps)]
    return {name: _sum(one[name] for one in maps) for name in names}


def total(every: Sequence[Figures]) -> Figures:
    """Figures added up; the peaks are the largest."""

    def together(parts: Sequence[Sent]) -> Sent:
        return Sent(
            input=sum(p.input for p in parts), cached=sum(p.cached for p in parts), peak=max(p.peak for p in parts),
            usd=_sums([p.usd for p in parts]),
        )  # fmt: skip

    billed = [f for f in every if f.recorded_calls]
    return Figures(
        calls=sum(f.calls for f in every),
        full=together([f.full for f in every]),
        ours=together([f.ours for f in every]),
        fidelity=sum((f.fidelity for f in every), Fidelity()),
        folds=sum(f.folds for f in every),
        surface=sum(f.surface for f in every),
        recorded=sum((f.recorded for f in every), Usage()),
        recorded_calls=sum(f.recorded_calls for f in every),
        recorded_usd=_sums([f.recorded_usd for f in billed]) if billed else {},
        bill=_sum(f.bill for f in billed) if billed else None,
        unseen=sum(f.unseen or 0 for f in billed) if billed else None,
        compactions=sum(f.compactions for f in every),
    )


@dataclass(frozen=True, kw_only=True)
class Read:
    """A transcript that was read: its file, its format, what it is and what it comes to."""

    file: str
    format: str
    transcript: Transcript
    figures: Figures


@dataclass(frozen=True, kw_only=True)
class Analysis:
    """All transcripts, and the files that could not be read, each with one sentence that says why."""

    settings: Settings
    read: tuple[Read, ...]
    failed: tuple[tuple[str, str], ...] = field(default=())

    @cached_property
    def total(self) -> Figures | None:
        """All figures added up; None if nothing was read."""
        return total([one.figures for one in self.read]) if self.read else None

    @cached_property
    def usd_ci(self) -> list[float] | None:
        """The 95 % interval of the ratio of dollars at the first row, over transcripts; None if they are too few."""
        if len(self.read) < MINIMUM:
            return None
        name = self.settings.rows[0].name
        pairs = [(one.figures.ours.usd[name], one.figures.full.usd[name]) for one in self.read]
        found = ratio([ours for ours, _ in pairs], [full for _, full in pairs])
        return None if found.low is None or found.high is None else [found.low, found.high]


def analyze(settings: Settings, paths: Sequence[Path]) -> Analysis:
    """Read and measure files, and all transcripts in folders; a file that cannot be read is named and left out."""
    done: list[Read] = []
    failed: list[tuple[str, str]] = []
    for path in formats.files(paths):
        try:
            name, found = formats.read(path)
            done += [Read(file=path.name, format=name, transcript=one, figures=settings.measure(one)) for one in found]
        except ConfigError:
            raise
        except SatchelError as error:
            failed.append((str(path), str(error)))
    if not done and not failed:
        raise ConfigError(f"there is no transcript in {', '.join(map(str, paths))}; name files, or folders of them")
    return Analysis(settings=settings, read=tuple(done), failed=tuple(failed))
