"""LangGraph's state, as the API has it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig
    from langchain_core.runnables.graph import Graph
    from langgraph.pregel import Pregel
    from langgraph.types import Interrupt, PregelTask, StateSnapshot


def wire(state: StateSnapshot) -> dict[str, Any]:
    """A state with its tasks, its checkpoint and the one before."""
    here, before = checkpoint(state.config), checkpoint(state.parent_config)
    found = state.created_at is not None
    metadata = {k: v for k, v in (state.metadata or {}).items() if k[:2] != "__"} if found else None
    if metadata is not None and here is not None:
        metadata["thread_id"] = here["thread_id"]
    return {
        "values": state.values,
        "next": list(state.next),
        "tasks": [_task(task) for task in state.tasks],
        "metadata": metadata,
        "created_at": state.created_at,
        "checkpoint": here,
        "parent_checkpoint": before,
        "interrupts": [interrupt(one) for one in state.interrupts],
        "checkpoint_id": here["checkpoint_id"] if here else None,
        "parent_checkpoint_id": before["checkpoint_id"] if before else None,
    }


def checkpoint(config: RunnableConfig | None) -> dict[str, Any] | None:
    """Where a config points; None if it names no checkpoint."""
    where = (config or {}).get("configurable") or {}
    if not where.get("checkpoint_id"):
        return None
    found = {"checkpoint_id": where["checkpoint_id"], "thread_id": where.get("thread_id")}
    inner = {"checkpoint_map": where["checkpoint_map"]} if where.get("checkpoint_map") else {}
    return {**found, "checkpoint_ns": where.get("checkpoint_ns", ""), **inner}


def interrupt(found: Interrupt) -> dict[str, Any]:
    """An interrupt, as states and threads have it."""
    return {"id": found.id, "value": found.value}


def _task(task: PregelTask) -> dict[str, Any]:
    inner: Any = task.state
    nested = None
    at = None
    if isinstance(inner, Mapping):
        at = (inner.get("configurable") or {}) or None
    elif inner is not None:
        nested = wire(inner)
    return {
        "id": task.id,
        "name": task.name,
        "path": list(task.path),
        "error": None if task.error is None else str(task.error),
        "interrupts": [interrupt(one) for one in task.interrupts],
        "checkpoint": at,
        "state": nested,
        "result": task.result,
    }


def schemas(graph: Pregel[Any, Any, Any, Any]) -> dict[str, Any]:
    """JSON schemas of a graph."""
    return {
        "graph_id": graph.get_name(),
        "input_schema": _described(graph.get_input_jsonschema),
        "output_schema": _described(graph.get_output_jsonschema),
        "state_schema": _described(lambda: _state_schema(graph)),
        "config_schema": _described(lambda: graph.get_config_jsonschema().get("$defs", {}).get("Configurable", {})),
        "context_schema": _described(graph.get_context_jsonschema),
    }


def _state_schema(graph: Pregel[Any, Any, Any, Any]) -> Any:
    """The schema of the whole state; of what a graph gives out, where pydantic cannot describe the state."""
    whole: Any = getattr(getattr(graph, "builder", None), "state_schema", None)
    found = _described(lambda: TypeAdapter(whole).json_schema()) if whole is not None else None
    return found or graph.get_output_jsonschema()


def drawing(graph: Graph) -> dict[str, Any]:
    """Nodes and edges, without the names of the classes behind them."""
    drawn: dict[str, Any] = graph.to_json()
    for node in drawn["nodes"]:
        if isinstance(node.get("data"), dict):
            node["data"].pop("id", None)
    return drawn


def _described(describe: Callable[[], Any]) -> Any:
    """A schema; None for types that pydantic cannot describe."""
    try:
        return describe()
    except Exception:  # noqa: BLE001 - whatever a type of the user's raises, its schema is unknown
        return None


def usage(values: Any) -> dict[str, Any]:
    """Tokens that the messages of a state say they used."""
    total = {"input_tokens": 0, "cached_tokens": 0, "output_tokens": 0, "model_calls": 0}
    messages = values.get("messages") if isinstance(values, Mapping) else None
    for message in messages or []:
        used = getattr(message, "usage_metadata", None)
        if used:
            total["input_tokens"] += used.get("input_tokens", 0)
            total["output_tokens"] += used.get("output_tokens", 0)
            total["cached_tokens"] += (used.get("input_token_details") or {}).get("cache_read", 0)
            total["model_calls"] += 1
    return {**total, "usd": None}
