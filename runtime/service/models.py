"""The bodies of requests, as langgraph-sdk sends them; what is not named here is let through and ignored."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

StreamMode = Literal[
    "values", "messages", "messages-tuple", "updates", "events", "tasks", "checkpoints", "debug", "custom", "tools",
    "lifecycle",
]  # fmt: skip

Names = Annotated[list[str], Field(max_length=1_000)]
Modes = Annotated[list[StreamMode], BeforeValidator(lambda given: [given] if isinstance(given, str) else given or [])]
Nodes = list[str] | Literal["*"] | None
Count = Annotated[int, Field(ge=1, le=1_000)]
Offset = Annotated[int, Field(ge=0)]
IfExists = Literal["raise", "do_nothing"]

ThreadField = Literal[
    "thread_id", "created_at", "updated_at", "state_updated_at", "metadata", "config", "context", "status", "values",
    "interrupts", "error",
]  # fmt: skip
AssistantField = Literal[
    "assistant_id", "graph_id", "name", "description", "config", "context", "created_at", "updated_at", "metadata",
    "version",
]  # fmt: skip
RunField = Literal[
    "run_id", "thread_id", "assistant_id", "created_at", "updated_at", "status", "metadata", "kwargs",
    "multitask_strategy", "cancel_reason",
]  # fmt: skip


class Ttl(BaseModel):
    """How long a thread stays after its last change, in minutes; then it is gone."""

    ttl: Annotated[float, Field(gt=0, le=10**8)]
    strategy: Literal["delete", "keep_latest"] = "delete"


class Body(BaseModel):
    """A request's JSON object."""

    model_config = ConfigDict(extra="ignore")


class ThreadCreate(Body):
    """POST /threads."""

    thread_id: str | None = None
    metadata: dict[str, Any] | None = None
    if_exists: IfExists | None = "raise"
    graph_id: str | None = None
    supersteps: list[dict[str, Any]] | None = None
    ttl: Ttl | None = None


class ThreadPatch(Body):
    """PATCH /threads/{t}."""

    metadata: dict[str, Any] | None = None
    ttl: Ttl | None = None


class ThreadSearch(Body):
    """POST /threads/search and /threads/count."""

    metadata: dict[str, Any] | None = None
    values: dict[str, Any] | None = None
    status: Literal["idle", "busy", "interrupted", "error"] | None = None
    ids: Names | None = None
    limit: Count = 10
    offset: Offset = 0
    sort_by: Literal["thread_id", "status", "created_at", "updated_at", "state_updated_at"] | None = None
    sort_order: Literal["asc", "desc"] | None = None
    select: list[ThreadField] | None = None
    extract: Annotated[dict[str, str], Field(max_length=10)] | None = None


class ThreadPrune(Body):
    """POST /threads/prune."""

    thread_ids: Names
    strategy: Literal["delete", "keep_latest"] = "delete"


class StateUpdate(Body):
    """POST /threads/{t}/state."""

    values: dict[str, Any] | list[Any] | None = None
    as_node: str | None = None
    checkpoint: dict[str, Any] | None = None
    checkpoint_id: str | None = None


class StateAt(Body):
    """POST /threads/{t}/state/checkpoint."""

    checkpoint: dict[str, Any]
    subgraphs: bool = False


class History(Body):
    """POST /threads/{t}/history."""

    limit: Count = 1
    before: str | dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None
    checkpoint: dict[str, Any] | None = None


class RunOptions(Body):
    """What may be asked of a run, at once or again and again."""

    input: Any = None
    config: dict[str, Any] | None = None
    context: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None
    stream_subgraphs: bool = False
    stream_resumable: bool = False
    interrupt_before: Nodes = None
    interrupt_after: Nodes = None
    webhook: str | None = None
    multitask_strategy: Literal["reject", "rollback", "interrupt", "enqueue"] | None = None
    durability: Literal["sync", "async", "exit"] | None = None
    checkpoint_during: bool | None = None


class RunCreate(RunOptions):
    """A run, in all its forms."""

    assistant_id: str
    command: dict[str, Any] | None = None
    stream_mode: Modes = Field(default_factory=list)
    feedback_keys: Names | None = None
    checkpoint: dict[str, Any] | None = None
    checkpoint_id: str | None = None
    if_not_exists: Literal["create", "reject"] | None = None
    on_disconnect: Literal["cancel", "continue"] | None = None
    on_completion: Literal["delete", "keep"] | None = None
    after_seconds: Annotated[float, Field(ge=0, le=10**8)] | None = None
    thread_id: str | None = None


class RunsCancel(Body):
    """POST /runs/cancel."""

    thread_id: str | None = None
    run_ids: Names | None = None
    status: Literal["pending", "running", "all"] | None = None


class AssistantCreate(Body):
    """POST /assistants."""

    graph_id: str
    assistant_id: str | None = None
    config: dict[str, Any] | None = None
    context: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None
    name: str | None = None
    description: str | None = None
    if_exists: IfExists | None = "raise"


class AssistantPatch(Body):
    """PATCH /assistants/{a}."""

    graph_id: str | None = None
    config: dict[str, Any] | None = None
    context: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None
    name: str | None = None
    description: str | None = None


class AssistantSearch(Body):
    """POST /assistants/search and /assistants/count."""

    metadata: dict[str, Any] | None = None
    graph_id: str | None = None
    name: str | None = None
    limit: Count = 10
    offset: Offset = 0
    sort_by: Literal["assistant_id", "graph_id", "name", "created_at", "updated_at"] | None = None
    sort_order: Literal["asc", "desc"] | None = None
    select: list[AssistantField] | None = None


class AssistantVersions(Body):
    """POST /assistants/{a}/versions."""

    metadata: dict[str, Any] | None = None
    limit: Count = 10
    offset: Offset = 0


class AssistantLatest(Body):
    """POST /assistants/{a}/latest."""

    version: int


class ItemPut(Body):
    """PUT /store/items."""

    namespace: list[str]
    key: str
    value: dict[str, Any]
    ttl: Annotated[float, Field(gt=0, le=10**7)] | None = None
    index: Any = None


class ItemDelete(Body):
    """DELETE /store/items."""

    namespace: list[str] = Field(default_factory=list)
    key: str


class ItemSearch(Body):
    """POST /store/items/search."""

    namespace_prefix: list[str] = Field(default_factory=list)
    filter: dict[str, Any] | None = None
    query: str | None = None
    limit: Annotated[int, Field(ge=0, le=1_000)] = 10
    offset: Offset = 0
    refresh_ttl: bool | None = None


class NamespaceSearch(Body):
    """POST /store/namespaces."""

    prefix: list[str] | None = None
    suffix: list[str] | None = None
    max_depth: Annotated[int, Field(ge=1, le=1_000)] | None = None
    limit: Count = 100
    offset: Offset = 0
