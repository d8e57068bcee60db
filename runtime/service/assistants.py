"""Assistants: a graph with a configuration, in versions; each graph that is served has one of its own."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING, Any

from satchel.memory.fields import Change
from satchel.memory.store import ThreadId
from satchel.runtime.service import faults, wire

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from satchel.memory.fields import Fields
    from satchel.runtime.service.models import AssistantCreate, AssistantPatch

NAMESPACE = uuid.UUID("6ba7b821-9dad-11d1-80b4-00c04fd430c8")
"""The namespace of the ids of system assistants (langgraph-api derives them so; the DNS-URL one of RFC 9562)."""

KEPT = "satchel assistants"
"""The name under which a tenant's assistants are kept; no thread of the service has it, for theirs are UUIDs."""

FRESH, MOST = 1.0, 1_000
"""Seconds for which runs are accepted with an assistant that another process may have changed; so many are known."""

Assistant = dict[str, Any]
OWN = {"created_by": "system"}
GIVEN = ("graph_id", "config", "context", "metadata", "name", "description")


def system_id(graph: str) -> str:
    """The id of a graph's own assistant."""
    return str(uuid.uuid5(NAMESPACE, graph))


class Assistants:
    """The assistants of all tenants. A document holds all versions of one, oldest first, and which is the latest."""

    def __init__(self, fields: Fields, graphs: Iterable[str]) -> None:
        self._fields = fields
        self._graphs = list(graphs)
        self._since = wire.now()
        self._lately: dict[tuple[str, str], tuple[float, Assistant]] = {}
        self._ids = {system_id(graph): graph for graph in self._graphs}
        self._names = {graph: name for name, graph in self._ids.items()}

    async def find(self, tenant: str, name: str) -> Assistant:
        """An assistant by its id or its graph's name. Raises 404, and 422 for what is neither."""
        name = self._names.get(name) or self.checked(name)
        found = await self._document(tenant, name)
        if found is None:
            raise faults.missing(f"Assistant '{name}' not found")
        return _latest(found)

    async def lately(self, tenant: str, name: str) -> Assistant:
        """The same, as it was at most `FRESH` seconds ago, or as this process changed it."""
        known = self._lately  # a change puts another in its place: then what was read before it is not kept
        until, found = known.get((tenant, name), (0.0, None))
        if found is None or time.monotonic() > until:
            found = await self.find(tenant, name)
            if len(known) >= MOST:
                known.clear()
            known[tenant, name] = time.monotonic() + FRESH, found
        return found

    async def all(self, tenant: str) -> list[Assistant]:
        """All assistants of a tenant, the newest first."""
        names = [name for name in await self._fields.names(_where(tenant)) if name != b"g"]
        kept = await self._fields.get(_where(tenant), names) if names else []
        found = {name: self._own(name) for name in self._ids}
        found |= {name.decode(): wire.loads(doc) for name, doc in zip(names, kept, strict=True) if doc}
        return sorted((_latest(one) for one in found.values()), key=lambda one: one["created_at"], reverse=True)

    async def create(self, tenant: str, body: AssistantCreate) -> Assistant:
        """Make an assistant. Raises 404 for an unknown graph and 409 for an id that is taken."""
        self._known(body.graph_id)
        _one(body)
        name = self.checked(body.assistant_id) if body.assistant_id else str(uuid.uuid4())
        known = await self._document(tenant, name)
        if known is None:
            first = self._version(name, 1, {key: getattr(body, key) for key in GIVEN})
            known = {"latest": 1, "updated_at": first["created_at"], "versions": [first]}
            change = Change(fresh={name.encode(): wire.dumps(known)})
            if (await self._fields.change(_where(tenant), change)).how == "done":
                return _latest(known)
        if body.if_exists != "do_nothing":
            raise faults.conflict(f"Assistant {name} already exists")
        return await self.find(tenant, name)

    async def change(self, tenant: str, name: str, body: AssistantPatch) -> Assistant:
        """Make a new version of an assistant, and the latest of it."""
        document = await self._wanted(tenant, name)
        if body.graph_id is not None:
            self._known(body.graph_id)
        old = _latest(document)
        given = {key: getattr(body, key) for key in GIVEN if getattr(body, key) is not None}
        _one(body)
        if "config" in given and "context" not in given:
            given["context"] = given["config"].get("configurable") or {}
        if "metadata" in given:
            given["metadata"] = {**old["metadata"], **given["metadata"]}
        number = max(one["version"] for one in document["versions"]) + 1
        made = self._version(old["assistant_id"], number, {**{key: old[key] for key in GIVEN}, **given})
        return await self._keep(tenant, {**document, "latest": number, "versions": [*document["versions"], made]})

    async def choose(self, tenant: str, name: str, version: int) -> Assistant:
        """Make a version the latest."""
        document = await self._wanted(tenant, name)
        if version not in {one["version"] for one in document["versions"]}:
            raise faults.missing(f"Version {version} not found for assistant {name}")
        return await self._keep(tenant, {**document, "latest": version})

    async def versions(self, tenant: str, name: str) -> list[Assistant]:
        """All versions of an assistant, the newest first."""
        return list(reversed((await self._wanted(tenant, name))["versions"]))

    async def delete(self, tenant: str, name: str) -> None:
        """Remove an assistant; a graph's own one is there for as long as the graph is served."""
        name = self.checked(name)
        if name in self._ids:
            raise faults.conflict(f"Assistant {name} belongs to a graph that is served and cannot be deleted")
        if await self._document(tenant, name) is None:
            raise faults.missing(f"Assistant with ID {name} not found")
        await self._fields.change(_where(tenant), Change(drop=[name.encode()]))
        self._lately = {}

    @staticmethod
    def checked(name: str) -> str:
        """An id, as a UUID is written. Raises 422."""
        try:
            return str(uuid.UUID(name))
        except ValueError:
            raise faults.wrong("Invalid assistant ID: must be a UUID") from None

    def _known(self, graph: str) -> None:
        if graph not in self._graphs:
            raise faults.missing(f"Graph '{graph}' not found. Expected one of: {sorted(self._graphs)}")

    async def _wanted(self, tenant: str, name: str) -> dict[str, Any]:
        found = await self._document(tenant, self._names.get(name) or self.checked(name))
        if found is None:
            raise faults.missing(f"Assistant {name} not found")
        return found

    async def _document(self, tenant: str, name: str) -> dict[str, Any] | None:
        kept = (await self._fields.get(_where(tenant), [name.encode()]))[0]
        if kept:
            return dict(wire.loads(kept))
        return self._own(name) if name in self._ids else None

    async def _keep(self, tenant: str, document: dict[str, Any]) -> Assistant:
        document = {**document, "updated_at": wire.now()}
        name = document["versions"][0]["assistant_id"]
        await self._fields.change(_where(tenant), Change(put={name.encode(): wire.dumps(document)}))
        self._lately = {}
        return _latest(document)

    def _own(self, name: str) -> dict[str, Any]:
        graph = self._ids[name]
        made = self._version(name, 1, {"graph_id": graph, "name": graph, "metadata": OWN})
        made["created_at"] = self._since
        return {"latest": 1, "updated_at": self._since, "versions": [made]}

    @staticmethod
    def _version(name: str, number: int, given: Mapping[str, Any]) -> Assistant:
        config, context = given.get("config") or {}, given.get("context") or {}
        if context:
            config = {**config, "configurable": context}
        return {
            "assistant_id": name,
            "graph_id": given["graph_id"],
            "config": config,
            "context": context or config.get("configurable") or {},
            "metadata": given.get("metadata") or {},
            "name": given.get("name") or "Untitled",
            "created_at": wire.now(),
            "version": number,
            "description": given.get("description"),
        }


def _one(body: AssistantCreate | AssistantPatch) -> None:
    if body.context and (body.config or {}).get("configurable"):
        raise faults.Refused(400, faults.BOTH)


def _latest(document: Mapping[str, Any]) -> Assistant:
    found = next(one for one in document["versions"] if one["version"] == document["latest"])
    return {**found, "updated_at": document["updated_at"]}


def _where(tenant: str) -> ThreadId:
    return ThreadId(KEPT, tenant)
