"""The listeners of one drive of a run: each hears every event, and none can harm the run."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from satchel.runtime.events import About, Committed, Event, Listener, Opening, RunEnded

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from satchel.memory.records import Entry, Record
    from satchel.runtime.session import Emit, Session

log = logging.getLogger("satchel.events")


class Hearing:
    """Tells a session's events to listeners; one that raises is told to the log and hears no more."""

    def __init__(self, openings: Sequence[Opening], session: Session) -> None:
        self._listeners: list[Listener] = []
        self._session = session
        self._append = session.append
        session.append = self._timed
        spec, thread = session.spec, session.log.thread
        spent = session.history.spent.usage
        about = About(thread.name, thread.tenant, spec.model.name, spec.mode.name, spent)
        for opening in openings:
            try:
                self._listeners.append(opening(about))
            except Exception:
                log.exception("a listener cannot begin")

    def before(self, emit: Emit) -> Callable[[Event], None]:
        """What tells an event to the listeners, then emits it."""

        def tell(event: Event) -> None:
            self._tell(event)
            emit(event)

        return tell

    def end(self) -> None:
        """Tell how the run ended, or where it stands, and leave the session alone."""
        self._session.append = self._append
        self._tell(RunEnded(self._session.result()))

    async def _timed(self, op: str, records: Sequence[Record]) -> list[Entry]:
        began = time.monotonic()
        entries = await self._append(op, records)
        self._tell(Committed(len(records), time.monotonic() - began))
        return entries

    def _tell(self, event: Event | Committed) -> None:
        for listener in list(self._listeners):
            try:
                listener(event)
            except Exception:
                self._listeners.remove(listener)
                log.exception("a listener failed and hears no more")
