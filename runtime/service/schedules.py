"""When a schedule comes next, in a time zone."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from croniter import CroniterBadDateError, CroniterError, croniter

from satchel.runtime.service import faults

SHOWN = 100
"""Characters of a schedule that a refusal shows."""


def after(schedule: str, zone: str | None, moment: int) -> int | None:
    """The first time of a schedule after a moment, both in milliseconds since 1970; None if it never comes again.

    Where a clock is put forward a time that it leaves out comes right after; one that it has twice, where it is put
    back, comes twice. Raises 422 for what is no schedule (as crontab(5) has them, with seconds and years as a sixth and
    a seventh field) or no zone of the IANA database.
    """
    start = datetime.fromtimestamp(moment / 1000, _zone(zone))
    try:
        return int(croniter(schedule, start).get_next(float) * 1000)
    except CroniterBadDateError:
        return None
    except (CroniterError, ValueError, OverflowError):
        raise faults.wrong(
            f"Invalid cron schedule: {schedule[:SHOWN]!r}. It has five fields (minute, hour, day of the month, month, "
            "day of the week), as '*/5 * * * *' for every five minutes"
        ) from None


def _zone(name: str | None) -> tzinfo:
    try:
        return UTC if name is None else ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise faults.wrong(f"Invalid timezone: {name!r}. One of the IANA database is 'Europe/Berlin'") from None


def end(text: str | None) -> int | None:
    """An `end_time` in milliseconds since 1970; without an offset it is in UTC. Raises 422."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError):
        raise faults.wrong(f"Invalid end_time: {text!r}. Write it as '2030-01-31T12:00:00Z'") from None
