"""The bodies of requests about crons, as langgraph-sdk sends them, and what is answered."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from satchel.runtime.service.models import Body, Count, Offset, RunOptions, StreamMode
from satchel.runtime.service.shapes import Json, Shape

CronField = Literal[
    "cron_id", "assistant_id", "thread_id", "user_id", "end_time", "schedule", "timezone", "payload", "next_run_date",
    "metadata", "on_run_completed", "enabled", "created_at", "updated_at",
]  # fmt: skip
CronSort = Literal[
    "cron_id", "assistant_id", "thread_id", "created_at", "updated_at", "next_run_date", "end_time",
]  # fmt: skip

Schedule = Annotated[str, Field(max_length=500)]
Zone = Annotated[str, Field(max_length=100)]


class CronPatch(RunOptions):
    """PATCH /runs/crons/{c}; an `end_time` of null takes it away."""

    schedule: Schedule | None = None
    timezone: Zone | None = None
    end_time: Annotated[str, Field(max_length=100)] | None = None
    enabled: bool | None = None
    on_run_completed: Literal["delete", "keep"] | None = None
    stream_mode: StreamMode | list[StreamMode] | None = None


class CronCreate(CronPatch):
    """POST /runs/crons and /threads/{t}/runs/crons."""

    assistant_id: str
    schedule: Schedule


class CronCount(Body):
    """POST /runs/crons/count."""

    assistant_id: str | None = None
    thread_id: str | None = None
    metadata: dict[str, Any] | None = None


class CronSearch(CronCount):
    """POST /runs/crons/search."""

    enabled: bool | None = None
    limit: Count = 10
    offset: Offset = 0
    sort_by: CronSort | None = None
    sort_order: Literal["asc", "desc"] | None = None
    select: list[CronField] | None = None


class Cron(Shape):
    """Runs that come again and again."""

    cron_id: UUID
    assistant_id: UUID
    thread_id: UUID | None
    schedule: str
    timezone: str | None
    end_time: str | None
    payload: Json
    next_run_date: str | None
    metadata: Json
    on_run_completed: Literal["delete", "keep"] | None
    enabled: bool
