"""Structured logs: one JSON object a line, with the run, thread, tenant and trace that it is about.

Messages are ours and name ids and kinds of errors. Of an exception the kind and the places are kept, not its text,
which may hold what a user, a tool or an address said.
"""

from __future__ import annotations

import json
import logging
import traceback
from datetime import UTC, datetime

from satchel.runtime.service.tracing import ABOUT

EXTRA = ("seconds", "status", "attempt")
"""What a line may say beside its message."""


class JsonLines(logging.Formatter):
    """A record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """See `logging`."""
        made = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, object] = {"time": made, "level": record.levelname.lower(), "logger": record.name}
        line["message"] = record.getMessage()
        line |= {name: getattr(record, name) for name in EXTRA if hasattr(record, name)}
        line |= ABOUT.get() or {}
        if record.exc_info and record.exc_info[0]:
            frames = traceback.extract_tb(record.exc_info[2])
            line["error"] = record.exc_info[0].__name__
            line["at"] = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
        return json.dumps(line, ensure_ascii=False, default=str)


def structured() -> None:
    """Write this process's logs to stderr as JSON lines: ours from `info` on, others from `warning` on."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("satchel").setLevel(logging.INFO)
