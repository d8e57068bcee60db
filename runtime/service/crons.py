"""Crons as the API has them: runs that come again and again, by a schedule, on a thread or on one of their own each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from satchel.runtime.service import faults, schedules, wire
from satchel.runtime.service.models import RunCreate

if TYPE_CHECKING:
    from satchel.memory.crons import CronRow, Crons

Cron = dict[str, Any]
"""A cron as it is kept: what is shown of it, `next` (milliseconds since 1970, or None), and what a time needs that is
claimed: whose it is (`tenant`, `wanted`), and which time is being served (`serving`)."""

KEPT = ("schedule", "timezone", "end_time", "enabled", "on_run_completed")
"""What a patch sets as it is given."""

TIMED = {"schedule", "timezone", "end_time", "enabled"}
"""What moves the next time: none that passed before the change is made up for."""


def changed(cron: Cron, given: Mapping[str, Any], now: int) -> Cron:
    """A cron with what is given put into it, and into the run that it makes. Raises 400 and 422.

    `given` holds what was sent, without nulls but for an `end_time` that is taken away; `now` is the store's time in
    milliseconds since 1970.
    """
    payload = {**cron["payload"], **given}
    config = payload.get("config") or {}
    payload["config"] = {
        **config,
        "configurable": {**(config.get("configurable") or {}), "cron_id": cron["cron_id"]},
    }
    made = {
        **cron,
        **{name: given[name] for name in KEPT if name in given},
        "payload": payload,
        "metadata": {**cron["metadata"], **(given.get("metadata") or {})},
        "updated_at": wire.at(now),
    }
    schedules.end(made["end_time"])
    if TIMED & given.keys():
        made["next"] = schedules.after(made["schedule"], made["timezone"], now)
        if made["next"] is None:
            raise faults.Refused(400, "failed to find next date")
    return made


def run(cron: Cron) -> RunCreate:
    """What each time asks for. Raises nothing: a payload was checked when it was made."""
    return RunCreate.model_validate({**cron["payload"], "on_completion": cron["on_run_completed"]})


def over(cron: Cron, now: int) -> bool:
    """Whether its `end_time` has passed."""
    end = schedules.end(cron["end_time"])
    return end is not None and now > end


def due(cron: Cron) -> int | None:
    """When somebody has to look at it, in milliseconds since 1970; None: never."""
    if cron["serving"]:
        return int(cron["serving"]["until"])
    if not cron["enabled"] or cron["next"] is None or over(cron, cron["next"]):
        return None
    return int(cron["next"])


def shown(cron: Cron) -> dict[str, Any]:
    """A cron, as the API has it."""
    following = None if cron["next"] is None else wire.at(cron["next"])
    return {**{name: cron[name] for name in SHOWN}, "next_run_date": following}


SHOWN = (
    "cron_id", "assistant_id", "thread_id", "user_id", "end_time", "schedule", "timezone", "payload", "metadata",
    "on_run_completed", "enabled", "created_at", "updated_at",
)  # fmt: skip


def of_row(row: CronRow) -> Cron:
    """A cron, as it is kept."""
    return dict(wire.loads(row.doc))


async def forget(kept: Crons, tenant: str, field: str, value: str) -> None:
    """Remove a tenant's crons of a thread or an assistant that is gone."""
    for row in await kept.all(tenant):
        if of_row(row)[field] == value:
            await kept.delete((tenant, row.id))
