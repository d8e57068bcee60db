"""The formats of transcripts by name, and the one that a file has."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from satchel.evals.transcripts import anthropic, claude_code, langchain, openai, otel, pi, trace
from satchel.evals.transcripts.source import MALFORMED, Source, load, malformed, some
from satchel.memory.errors import TraceError

if TYPE_CHECKING:
    from pathlib import Path

    from satchel.evals.transcripts.transcript import Transcript
    from satchel.memory.records import Json

SUFFIXES = (".json", ".jsonl", ".json.gz", ".jsonl.gz")
"""The files of a folder that are read."""


@dataclass(frozen=True, slots=True)
class Format:
    """`fits` tells from the first values of a file whether they are of this format; `read` makes transcripts of all."""

    name: str
    fits: Callable[[Sequence[Json]], bool]
    read: Callable[[Source], Iterator[Transcript]]


FORMATS = (
    Format("Claude Code session", claude_code.fits, claude_code.read),
    Format("pi session", pi.fits, pi.read),
    Format("OpenTelemetry spans", otel.fits, otel.read),
    Format("trace", trace.fits, trace.read),
    Format("LangChain messages", langchain.fits, langchain.read),
    Format("Anthropic messages", anthropic.fits, anthropic.read),
    Format("OpenAI chat messages", openai.fits, openai.read),
)
"""The first that fits counts."""


def read(path: Path) -> tuple[str, list[Transcript]]:
    """The format of a file and its transcripts with at least one reply. Raises `TraceError` with file and line."""
    return told(load(path), path)


def told(source: Source, path: Path) -> tuple[str, list[Transcript]]:
    """The format of the values of a file, and their transcripts; raises as `read` does."""
    values = some(source.values)
    found = next((row for row in FORMATS if _fits(row, values)), None)
    if found is None:
        raise TraceError(f"{path} is no transcript of a known format; known are {', '.join(f.name for f in FORMATS)}")
    try:
        runs = [run for run in found.read(source) if any(m.role == "assistant" for m in run.trajectory.messages)]
    except MALFORMED as error:  # what no single value is to blame for
        raise malformed(str(path), error) from None
    if not runs:
        raise TraceError(f"{path} holds no reply of a model ({found.name}); with spans, content capture must be on")
    return found.name, runs


def _fits(row: Format, values: Sequence[Json]) -> bool:
    try:
        return row.fits(values)
    except MALFORMED:
        return False


def files(paths: Sequence[Path]) -> Iterator[Path]:
    """The files among these, and in the folders among these at any depth, by name."""
    for path in paths:
        if path.is_dir():
            yield from sorted(p for p in path.rglob("*") if p.is_file() and p.name.endswith(SUFFIXES))
        else:
            yield path
