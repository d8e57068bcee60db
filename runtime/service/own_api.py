"""Routes of our own: what a thread cost, what it stored, what was sent, and how the server is."""

from __future__ import annotations

from contextlib import suppress
from importlib.metadata import version

from fastapi import APIRouter, Request
from fastapi.responses import Response

from satchel.memory.errors import SatchelError
from satchel.runtime.service import answers, faults, runs, threads, wire
from satchel.runtime.service.caller import Called
from satchel.runtime.service.engine import Service

router = APIRouter(tags=["satchel"])


@router.get("/threads/{thread}/usage")
async def usage(thread: str, call: Called) -> Response:
    """Tokens, calls and US dollars (null: the price is unknown) of all runs of a thread."""
    row = await threads.found(call, thread)
    served = await threads.served_of(call, row)
    return answers.json({"thread_id": row.thread.name, **await served.usage(row.thread)})


@router.get("/threads/{thread}/results/{ref}")
async def result(
    thread: str, ref: str, call: Called, *, lines: str | None = None, path: str | None = None, query: str | None = None
) -> Response:
    """A stored result as text: whole, some `lines` (`10-20`), a `path` inside JSON, or the lines with a `query`."""
    row = await threads.found(call, thread)
    served = await threads.served_of(call, row)
    text = await served.result(row.thread, ref, {"lines": lines, "path": path, "query": query})
    return Response(text, media_type="text/plain; charset=utf-8")


@router.get("/runs/{run}/prompts")
async def prompts(run: str, call: Called) -> Response:
    """What was sent to the model in a run, and what a fold left out, with the proof that it can be found."""
    thread = await call.service.runs.thread_of(call.tenant, runs.checked(run))
    row = await call.service.runs.run(thread, run) if thread else None
    if thread is None or row is None or (await threads.of(call, thread.name)) != thread:
        raise faults.missing("Run not found")
    served = await call.service.served(call.tenant, wire.loads(row.doc)["graph_id"])
    found = await served.prompts(thread, row.id)
    return answers.json({"run_id": row.id, "thread_id": thread.name, "prompts": found})


@router.get("/ok")
@router.get("/healthz")
async def ok() -> Response:
    """The process answers."""
    return answers.json({"ok": True})


@router.get("/readyz")
async def ready(request: Request) -> Response:
    """The store answers and the server takes requests."""
    service: Service = request.app.state.service
    try:
        if not service.draining:
            await service.start()
            await service.store.check()
    except SatchelError as problem:
        return answers.json({"ready": False, "why": wire.safe(str(problem))}, 503)
    return answers.json({"ready": service.ready}, 200 if service.ready else 503)


@router.get("/info")
async def info() -> Response:
    """Versions, and which parts of the API there are."""
    flags = {"assistants": True, "crons": True, "langsmith": False}
    told = {"version": version("satchel"), "langgraph_py_version": version("langgraph"), "flags": flags}
    return answers.json({**told, "host": {"kind": "self-hosted"}})


@router.get("/metrics")
async def metrics(call: Called) -> Response:
    """Figures of all tenants in Prometheus' text format: for the operator, if there is authentication."""
    service = call.service
    if call.known.name and call.tenant != service.settings.operator:
        raise faults.missing("Not Found")
    if service.ready:
        with suppress(SatchelError):  # figures of this process are told without the store, too
            threads_of = await service.runs.rows(await service.runs.waiting())
            service.metrics.waiting(sum(len(row.queue) for row in threads_of))
    return Response(service.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")
