"""Our own trace format: a trajectory a line, with `id`, `tools`, and messages whose calls hold `name` and `args`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from satchel.evals.replay import trajectory
from satchel.evals.transcripts.transcript import Transcript

if TYPE_CHECKING:
    from satchel.evals.transcripts.source import Source
    from satchel.memory.records import Json


def fits(values: Sequence[Json]) -> bool:
    """Whether these are trajectories."""
    return bool(values) and all(isinstance(v, dict) and "id" in v and _calls(v.get("messages")) for v in values)


def _calls(messages: Json) -> bool:
    """Whether these are messages, and their calls, if any, of our form."""
    if not isinstance(messages, list):
        return False
    calls = [c for m in messages if isinstance(m, Mapping) for c in m.get("tool_calls") or ()]
    return all(isinstance(c, Mapping) and "function" not in c for c in calls)


def read(source: Source) -> Iterator[Transcript]:
    """The trajectories of a file."""
    for where, value in source.records:
        model = value.get("model")
        yield Transcript(trajectory=trajectory(value, where), model=model if isinstance(model, str) else None)
