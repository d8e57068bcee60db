"""Runs as the API has them: how they are accepted, shown, stopped and removed."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from satchel.memory.store import ThreadId
from satchel.runtime.service import faults, threads, tracing, wire
from satchel.runtime.service.assistants import OWN
from satchel.runtime.service.auth_sdk import holds
from satchel.runtime.service.served import PLACE
from satchel.runtime.service.worker import KEEP

if TYPE_CHECKING:
    from satchel.memory.runs import Action, RunRow
    from satchel.runtime.service.caller import Caller
    from satchel.runtime.service.engine import Service
    from satchel.runtime.service.models import RunCreate

Run = dict[str, Any]

ENDED = {"success", "error", "timeout", "interrupted"}
BUSY = "Thread is already running a task. Wait for it to finish or choose a different multitask strategy."
REFUSALS: Mapping[str, tuple[Callable[[str], Exception], str]] = {
    "absent": (faults.missing, "Thread or assistant not found."),
    "busy": (faults.conflict, BUSY),
    "full": (faults.busy, "too many runs wait in this thread"),
    "over": (faults.conflict, "This run was accepted before and has ended."),
}
"""Why the store did not take a run."""

ORIGIN = {"cron_id"}
"""Keys of a config that say whence a run came."""

NOT_KEPT = {"assistant_id", "thread_id", "after_seconds", "if_not_exists", "checkpoint_id", "checkpoint_during"}
"""What is asked of the acceptance of a run, or kept under another name."""


KWARGS = (
    "input", "command", "context", "stream_mode", "interrupt_before", "interrupt_after", "feedback_keys", "webhook",
)  # fmt: skip
"""What is shown of a run as it was asked."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A run that was accepted: where it is, and how it is shown."""

    thread: ThreadId
    run: str
    resumable: bool
    shown: Run

    @property
    def path(self) -> str:
        """Where the run is found; streams and waits stand below."""
        return f"/threads/{self.thread.name}/runs/{self.run}"


def check(service: Service, body: RunCreate) -> None:
    """Refuse a run that no thread could take. Raises 400 and 422."""
    context(body.config or {}, body.context)
    if body.checkpoint_id:
        checked(body.checkpoint_id, "checkpoint")
    if body.webhook:
        service.webhooks.addresses.written(body.webhook)


async def accept(call: Caller, body: RunCreate, thread: str | None, *, wait: bool = False, name: str = "") -> Accepted:
    """Accept a run on a thread, or on one of its own: stored first, then dispatched.

    `name` is its id (empty: a new one): offered again, it is accepted once. Raises 404 for an unknown thread or
    assistant, 409 if the thread is busy and the strategy is `reject`, 422 for an assistant that is neither a UUID nor a
    graph, 429 if too many runs wait.
    """
    service = call.service
    check(service, body)
    assistant = await assistant_of(call, body.assistant_id)
    run = str(name or uuid.uuid4())
    at = await threads.of(call, thread if thread is not None else str(uuid.uuid5(uuid.UUID(run), "thread")))
    if at.tenant != call.tenant:
        raise faults.missing("Thread or assistant not found.")
    if await service.queued.of(call.tenant) >= service.settings.tenant_queue:
        raise faults.busy("too many runs wait")
    marks = {"graph_id": assistant["graph_id"], "assistant_id": assistant["assistant_id"]}
    doc = _document(body, assistant, marks, temporary=thread is None and body.on_completion != "keep", wait=wait)
    create, seen = thread is None or body.if_not_exists == "create", {**(body.metadata or {}), **owned(call), **marks}
    delay = body.after_seconds or 0.0
    moment = time.time_ns() // 1_000_000
    admitted = await service.runs.admit(
        at,
        run,
        wire.dumps({**doc, "tenant": call.tenant, "user": call.known.name, "created_at": wire.at(moment)}),
        strategy=body.multitask_strategy or "enqueue",
        due=moment + int(delay * 1000) if delay else 0,
        make=threads.document(call, seen, config={"configurable": {}}) if create else None,
        limit=service.settings.thread_queue,
    )
    if admitted.how != "ok":
        refused, why = REFUSALS[admitted.how]
        raise refused(why)
    service.queued.more(call.tenant)
    if thread is not None:
        await threads.changed(call, at, {"metadata": marks, "config": {"configurable": {}, **doc["config"]}})
    for other in admitted.before if doc["multitask_strategy"] in {"interrupt", "rollback"} else ():
        await service.dispatcher.cancel(at, other)
    if delay:
        await service.dispatcher.schedule(at, delay)
    else:
        await service.dispatcher.dispatch(at)
    row = {**doc, "created_at": wire.at(moment)}
    return Accepted(at, run, body.stream_resumable, shown(at, run, row, "pending", moment))


async def assistant_of(call: Caller, name: str) -> dict[str, Any]:
    """An assistant that the caller may use. Raises 404, and 422 for what is neither a UUID nor a graph."""
    graphs = call.service.graphs
    if name not in graphs:
        try:
            uuid.UUID(name)
        except ValueError:
            known = ", ".join(graphs)
            detail = f"Invalid assistant: '{name}'. Must be either:\n- A valid assistant UUID, or\n"
            raise faults.wrong(f"{detail}- One of the registered graphs: {known}") from None
    try:
        found = await call.service.assistants.lately(call.tenant, name)
    except faults.Refused:
        raise faults.missing("Thread or assistant not found.") from None
    if call.known.rules is not None and found["metadata"] != OWN:
        wanted = await call.known.rules.judge(
            "assistants", "read", {"assistant_id": found["assistant_id"], "metadata": {}}
        )
        if not holds(found["metadata"], wanted):
            raise faults.missing("Thread or assistant not found.")
    return found


def owned(call: Caller) -> dict[str, Any]:
    """What the metadata of a thread must say that a run makes for a caller under rules, so that it sees it."""
    plain = {name: test.get("$eq") if isinstance(test, Mapping) else test for name, test in (call.wanted or {}).items()}
    return {name: value for name, value in plain.items() if value is not None}


def _document(
    body: RunCreate, assistant: Mapping[str, Any], marks: Mapping[str, Any], *, temporary: bool, wait: bool
) -> dict[str, Any]:
    config, own = body.config or {}, assistant["config"]
    more = context(config, body.context)
    merged = {**own, **config}
    if configurable := {**(own.get("configurable") or {}), **(config.get("configurable") or {}), **more}:
        merged["configurable"] = configurable
    checkpoint = {**(body.checkpoint or {}), **({"checkpoint_id": body.checkpoint_id} if body.checkpoint_id else {})}
    return {
        **body.model_dump(exclude=NOT_KEPT),
        **marks,
        "config": merged,
        "context": {**assistant["context"], **more},
        "metadata": {**assistant["metadata"], **(body.metadata or {}), **marks},
        "multitask_strategy": body.multitask_strategy or "enqueue",
        "durability": body.durability or ("exit" if body.checkpoint_during is False else "async"),
        "stream_mode": body.stream_mode or ["values"],
        "checkpoint": checkpoint or None,
        "temporary": temporary,
        "wait": wait,
        "trace": tracing.CARRIED.get(),
    }


def context(config: Mapping[str, Any], given: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """What a graph is told beside its input: the context, or the older `configurable`. Raises 400 for both."""
    older = {key: value for key, value in (config.get("configurable") or {}).items() if key not in PLACE | ORIGIN}
    if given and older:
        raise faults.Refused(400, faults.BOTH)
    return given or older


def shown(thread: ThreadId, run: str, doc: Mapping[str, Any], status: str, updated: int) -> Run:
    """A run, as the API has it."""
    ids = {"run_id": run, "thread_id": thread.name, "graph_id": doc["graph_id"], "assistant_id": doc["assistant_id"]}
    config, given = doc["config"], doc["config"].get("configurable") or {}
    return {
        "run_id": run,
        "thread_id": thread.name,
        "assistant_id": doc["assistant_id"],
        "metadata": doc["metadata"],
        "status": status,
        "kwargs": {
            **{name: doc.get(name) for name in KWARGS},
            "config": {**config, "metadata": doc["metadata"], "configurable": {**given, **ids}},
            "subgraphs": doc["stream_subgraphs"],
            "resumable": doc["stream_resumable"],
            "temporary": doc["temporary"],
            "durability": doc["durability"],
        },
        "multitask_strategy": doc["multitask_strategy"],
        "created_at": doc["created_at"],
        "updated_at": wire.at(updated),
    }


def of_row(thread: ThreadId, row: RunRow) -> Run:
    """A stored run, as the API has it."""
    return shown(thread, row.id, wire.loads(row.doc), row.status, row.updated)


async def found(call: Caller, thread: str, run: str) -> tuple[ThreadId, RunRow]:
    """A run of a thread. Raises 422 and 404."""
    at = await threads.of(call, thread)
    row = await call.service.runs.run(at, checked(run))
    if row is None or wire.loads(row.doc).get("tenant", call.tenant) != call.tenant:
        raise faults.missing("Run not found")
    return at, row


def checked(name: str, what: str = "run") -> str:
    """The id of a run or a checkpoint, as a UUID is written. Raises 422."""
    try:
        return str(uuid.UUID(name))
    except ValueError:
        raise faults.wrong(f"Invalid {what} ID: must be a UUID") from None


_leaving: set[asyncio.Task[bool]] = set()


def leave(call: Caller, thread: ThreadId, run: str) -> None:
    """Stop a run whose reader went away: in a task of its own, since the reader's can wait for nothing any more."""
    task = asyncio.create_task(stop(call, thread, run, "interrupt"))
    _leaving.add(task)
    task.add_done_callback(_leaving.discard)


async def stop(call: Caller, thread: ThreadId, run: str, action: Action) -> bool:
    """Ask a run to stop; False if there is nothing to stop."""
    service = call.service
    row = await service.runs.run(thread, run)
    how = await service.runs.cancel(thread, run, action, keep=KEEP)
    if how == "asked":
        await service.dispatcher.cancel(thread, run)
    if how == "stopped" and action == "interrupt" and row is not None and (asked := wire.loads(row.doc)).get("webhook"):
        await service.webhooks.end(thread, run, asked, "interrupted")
    if how == "stopped" and action == "rollback" and row is not None and row.attempt:  # begun before, and handed back
        served = await service.served(call.tenant, wire.loads(row.doc)["graph_id"])
        await served.undo(thread, run)
    return how in {"asked", "stopped"}
