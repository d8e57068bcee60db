"""The routes of crons."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter
from fastapi.responses import Response  # noqa: TC002 - FastAPI reads the routes' annotations

from satchel.runtime.service import answers, assistants, crons, faults, runs, threads, wire
from satchel.runtime.service.caller import Called
from satchel.runtime.service.cron_models import CronCount, CronCreate, CronPatch, CronSearch

if TYPE_CHECKING:
    from satchel.memory.crons import CronRow
    from satchel.runtime.service.caller import Caller
    from satchel.runtime.service.crons import Cron

router = APIRouter(tags=["crons"])


@router.post("/runs/crons")
async def create_ephemeral(body: CronCreate, call: Called) -> Response:
    """Make a cron whose runs have a thread of their own each."""
    return await _create(call, body, None)


@router.post("/threads/{thread}/runs/crons")
async def create(thread: str, body: CronCreate, call: Called) -> Response:
    """Make a cron whose runs are on a thread."""
    return await _create(call, body, (await threads.found(call, thread)).thread.name)


async def _create(call: Caller, body: CronCreate, thread: str | None) -> Response:
    service, name = call.service, str(uuid.uuid4())
    try:
        assistant = (await runs.assistant_of(call, body.assistant_id))["assistant_id"]
    except faults.Refused as problem:
        if problem.status_code not in {404, 422}:
            raise
        raise faults.missing(f"Assistant '{body.assistant_id:.80}' not found") from None
    now, _ = await service.crons.due(1)
    fresh: Cron = {
        "cron_id": name, "assistant_id": assistant, "thread_id": thread, "user_id": call.known.name, "end_time": None,
        "timezone": None, "enabled": True, "payload": {}, "metadata": {}, "created_at": wire.at(now),
        "tenant": call.tenant, "next": None, "wanted": None, "serving": None,
    }  # fmt: skip
    made = crons.changed(fresh, {**_given(body), "assistant_id": assistant}, now)
    made["on_run_completed"] = None if thread else body.on_run_completed or "delete"
    made = await _allowed(call, made)
    how = await service.crons.put(
        (call.tenant, name), wire.dumps(made), at=crons.due(made), limit=service.settings.crons
    )
    if how == "full":
        raise faults.busy(f"{service.settings.crons} crons are there")
    service.clock.ring()
    return answers.json(crons.shown(made))


def _given(body: CronPatch) -> dict[str, Any]:
    sent = body.model_dump(exclude_unset=True)
    return {name: value for name, value in sent.items() if value is not None or name == "end_time"}


async def _allowed(call: Caller, cron: Cron) -> Cron:
    """A cron whose runs are right, and the caller's to start; what the rules ask of them is kept with it."""
    runs.check(call.service, crons.run(cron))
    if call.known.rules is None:
        return cron
    payload = cron["payload"]
    thread = {"thread_id": uuid.UUID(cron["thread_id"])} if cron["thread_id"] else {}
    asked = {**payload, **thread, "metadata": dict(payload.get("metadata") or {})}
    wanted = await call.known.rules.judge("threads", "create_run", asked)
    kept = {"metadata": asked["metadata"]} if asked["metadata"] else {}
    return {**cron, "payload": {**payload, **kept}, "wanted": wanted and dict(wanted)}


@router.post("/runs/crons/search")
async def search(body: CronSearch, call: Called) -> Response:
    """Find crons."""
    found = _ordered(await _matching(call, body), body)
    part = found[body.offset : body.offset + body.limit]
    picked = [{key: value for key, value in one.items() if not body.select or key in body.select} for one in part]
    return answers.page(picked, len(found), body.offset)


@router.post("/runs/crons/count")
async def count(body: CronCount, call: Called) -> Response:
    """Count crons."""
    return answers.json(len(await _matching(call, body)))


async def _matching(call: Caller, body: CronCount) -> list[dict[str, Any]]:
    if body.thread_id:
        body.thread_id = threads.checked(body.thread_id)
    if body.assistant_id:
        known = body.assistant_id in call.service.graphs
        name = body.assistant_id
        body.assistant_id = assistants.system_id(name) if known else assistants.Assistants.checked(name)
    found = [crons.of_row(row) for row in await call.service.crons.all(call.tenant)]
    return [crons.shown(one) for one in found if call.sees(one) and _matches(one, body)]


def _matches(cron: Cron, body: CronCount) -> bool:
    """Whether a search or a count asks for a cron."""
    wanted = {"assistant_id": body.assistant_id, "thread_id": body.thread_id, "enabled": getattr(body, "enabled", None)}
    plain = all(value in {None, cron[name]} for name, value in wanted.items())
    return plain and threads.contains(cron["metadata"], body.metadata or {})


def _ordered(found: list[dict[str, Any]], body: CronSearch) -> list[dict[str, Any]]:
    """What a search found in its order: the newest first unless it says otherwise, what has no value last."""
    found = sorted(found, key=lambda one: one["created_at"], reverse=True)
    if body.sort_by is None:
        return found
    by, down = body.sort_by, body.sort_order != "asc"
    valued = sorted((one for one in found if one[by] is not None), key=lambda one: str(one[by]), reverse=down)
    return valued + [one for one in found if one[by] is None]


@router.get("/runs/crons/{cron}")
async def get(cron: str, call: Called) -> Response:
    """A cron."""
    return answers.json(crons.shown(crons.of_row(await _found(call, cron))))


@router.patch("/runs/crons/{cron}")
async def patch(cron: str, body: CronPatch, call: Called) -> Response:
    """Change a cron; a time that is being served is served."""
    if not body.model_fields_set:
        raise faults.Refused(400, "Request body cannot be empty")
    while True:
        row = await _found(call, cron)
        now, _ = await call.service.crons.due(1)
        made = await _allowed(call, crons.changed(crons.of_row(row), _given(body), now))
        name = (call.tenant, row.id)
        if await call.service.crons.put(name, wire.dumps(made), at=crons.due(made), revision=row.revision) == "done":
            call.service.clock.ring()
            return answers.json(crons.shown(made))


@router.delete("/runs/crons/{cron}")
async def delete(cron: str, call: Called) -> Response:
    """Remove a cron; its runs stay."""
    await call.service.crons.delete((call.tenant, (await _found(call, cron)).id))
    return answers.nothing()


async def _found(call: Caller, cron: str) -> CronRow:
    """A cron that the caller may see. Raises 422 and 404."""
    row = await call.service.crons.get((call.tenant, runs.checked(cron, "cron")))
    if row is None or not call.sees(crons.of_row(row)):
        raise faults.missing(f"Cron '{cron:.80}' not found")
    return row
