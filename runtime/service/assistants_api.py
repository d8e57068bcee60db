"""The routes of assistants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter
from fastapi.responses import Response  # noqa: TC002 - FastAPI reads the routes' annotations

from satchel.runtime.service import answers, crons, faults, threads
from satchel.runtime.service.assistants import OWN
from satchel.runtime.service.caller import Called
from satchel.runtime.service.faults import wrong
from satchel.runtime.service.models import (
    AssistantCreate,
    AssistantLatest,
    AssistantPatch,
    AssistantSearch,
    AssistantVersions,
    ThreadSearch,
)
from satchel.runtime.service.threads import contains

if TYPE_CHECKING:
    from satchel.runtime.service.caller import Caller
    from satchel.runtime.service.served import Served

router = APIRouter(tags=["assistants"])


@router.post("/assistants")
async def create(body: AssistantCreate, call: Called) -> Response:
    """Make an assistant."""
    return answers.json(await call.service.assistants.create(call.tenant, body))


@router.post("/assistants/search")
async def search(body: AssistantSearch, call: Called) -> Response:
    """Find assistants."""
    found = await _search(call, body)
    part = found[body.offset : body.offset + body.limit]
    if body.select is not None:
        part = [{key: one[key] for key in body.select if key in one} for one in part]
    return answers.page(part, len(found), body.offset)


@router.post("/assistants/count")
async def count(body: AssistantSearch, call: Called) -> Response:
    """Count assistants."""
    return answers.json(len(await _search(call, body)))


async def _search(call: Caller, body: AssistantSearch) -> list[dict[str, Any]]:
    found = [
        one
        for one in await call.service.assistants.all(call.tenant)
        if _seen(call, one)
        and body.graph_id in {None, one["graph_id"]}
        and (body.name is None or body.name.lower() in one["name"].lower())
        and contains(one["metadata"], body.metadata or {})
    ]
    if body.sort_by is not None or body.sort_order is not None:
        key = body.sort_by or "created_at"
        found.sort(key=lambda one: str(one[key]), reverse=body.sort_order != "asc")
    return found


@router.get("/assistants/{assistant}")
async def get(assistant: str, call: Called) -> Response:
    """An assistant."""
    return answers.json(await _own(call, assistant))


@router.patch("/assistants/{assistant}")
async def patch(assistant: str, body: AssistantPatch, call: Called) -> Response:
    """Make a new version of an assistant."""
    found = await _own(call, assistant)
    return answers.json(await call.service.assistants.change(call.tenant, found["assistant_id"], body))


@router.delete("/assistants/{assistant}")
async def delete(assistant: str, call: Called, *, delete_threads: bool = False) -> Response:
    """Remove an assistant, and with `delete_threads` the threads whose last run was one of its."""
    found = await _own(call, assistant)
    await call.service.assistants.delete(call.tenant, found["assistant_id"])
    await crons.forget(call.service.crons, call.tenant, "assistant_id", found["assistant_id"])
    if delete_threads:
        wanted = {"metadata": {"assistant_id": found["assistant_id"]}}
        for row in await threads.matching(call, ThreadSearch.model_validate(wanted)):
            await threads.remove(call, row.thread)
    return answers.nothing()


@router.post("/assistants/{assistant}/versions")
async def versions(assistant: str, body: AssistantVersions, call: Called) -> Response:
    """The versions of an assistant, newest first."""
    name = (await _own(call, assistant))["assistant_id"]
    found = await call.service.assistants.versions(call.tenant, name)
    kept = [one for one in found if contains(one["metadata"], body.metadata or {})]
    return answers.json(kept[body.offset : body.offset + body.limit])


@router.post("/assistants/{assistant}/latest")
async def latest(assistant: str, body: AssistantLatest, call: Called) -> Response:
    """Make a version the latest."""
    found = await _own(call, assistant)
    return answers.json(await call.service.assistants.choose(call.tenant, found["assistant_id"], body.version))


@router.get("/assistants/{assistant}/graph")
async def drawing(assistant: str, call: Called, xray: str = "false") -> Response:
    """Nodes and edges; `xray` opens subgraphs, all or to a depth."""
    if not xray.isdigit() and xray.lower() not in {"true", "false"}:
        raise wrong("xray is neither true, false nor a depth from 0 on")
    depth: int | bool = int(xray) if xray.isdigit() else xray.lower() == "true"
    return answers.json((await _served(call, assistant)).drawing(xray=depth))


@router.get("/assistants/{assistant}/schemas")
async def schemas(assistant: str, call: Called) -> Response:
    """JSON schemas."""
    served = await _served(call, assistant)
    return answers.json({**served.schemas(), "graph_id": served.name})


@router.get("/assistants/{assistant}/subgraphs")
async def subgraphs(assistant: str, call: Called, *, recurse: bool = False) -> Response:
    """Schemas of the subgraphs."""
    return answers.json((await _served(call, assistant)).subgraphs(None, recurse=recurse))


@router.get("/assistants/{assistant}/subgraphs/{ns:path}")
async def subgraph(assistant: str, ns: str, call: Called, *, recurse: bool = False) -> Response:
    """Schemas of one subgraph."""
    return answers.json((await _served(call, assistant)).subgraphs(ns, recurse=recurse))


async def _served(call: Caller, assistant: str) -> Served:
    found = await _own(call, assistant)
    return await call.service.served(call.tenant, found["graph_id"])


async def _own(call: Caller, assistant: str) -> dict[str, Any]:
    """An assistant that the caller may see. Raises 404 and 422."""
    found = await call.service.assistants.find(call.tenant, assistant)
    if not _seen(call, found):
        raise faults.missing(f"Assistant '{assistant}' not found")
    return found


def _seen(call: Caller, assistant: dict[str, Any]) -> bool:
    return assistant["metadata"] == OWN or call.sees(assistant)
