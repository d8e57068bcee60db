"""What the API answers, for its document: the routes send it as it is, the fuzzer holds it against these."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

Json = dict[str, Any]


class Shape(BaseModel):
    """A JSON object."""

    model_config = ConfigDict(extra="allow")


class Problem(Shape):
    """Why a request was refused: a sentence, or where and why it does not fit."""

    detail: str | list[Json]


class CommandProblem(Shape):
    """Why a command of streaming version 3 was not done."""

    type: Literal["error"]
    id: int | None
    error: str
    message: str


class Place(Shape):
    """A checkpoint."""

    checkpoint_id: str
    thread_id: str | None = None
    checkpoint_ns: str


class Error(Shape):
    """How a run failed."""

    error: str
    message: str


class Thread(Shape):
    """A thread."""

    thread_id: UUID
    created_at: str
    updated_at: str
    state_updated_at: str
    metadata: Json
    status: Literal["idle", "busy", "interrupted", "error"]
    config: Json
    values: Any
    error: Error | None
    interrupts: dict[str, list[Any]]


class State(Shape):
    """A state of a thread; without one its checkpoint is null."""

    values: Any
    next: list[str]
    tasks: list[Json]
    metadata: Json | None
    created_at: str | None
    checkpoint: Place | None
    parent_checkpoint: Place | None
    interrupts: list[Any]
    checkpoint_id: str | None
    parent_checkpoint_id: str | None


class Kwargs(Shape):
    """What was asked of a run."""

    input: Any
    command: Json | None
    config: Json
    context: Json
    stream_mode: list[str]
    webhook: str | None
    temporary: bool


class Run(Shape):
    """A run."""

    run_id: UUID
    thread_id: UUID
    assistant_id: UUID
    metadata: Json
    status: Literal["pending", "running", "success", "error", "timeout", "interrupted"]
    kwargs: Kwargs
    multitask_strategy: Literal["reject", "rollback", "interrupt", "enqueue"]
    created_at: str
    updated_at: str


class Assistant(Shape):
    """A version of an assistant."""

    assistant_id: UUID
    graph_id: str
    config: Json
    context: Json
    metadata: Json
    name: str
    description: str | None
    version: int
    created_at: str


class Drawing(Shape):
    """A graph as nodes and edges."""

    nodes: list[Json]
    edges: list[Json]


class Schemas(Shape):
    """JSON schemas of a graph; null for what cannot be described."""

    graph_id: str
    input_schema: Json | None
    output_schema: Json | None
    state_schema: Json | None
    config_schema: Json | None
    context_schema: Json | None


class Changed(Shape):
    """Where a changed state is found."""

    checkpoint: Json
    configurable: Json
    checkpoint_id: str | None


class Item(Shape):
    """An item of the long-term store."""

    namespace: list[str]
    key: str
    value: Json
    created_at: str
    updated_at: str


class Items(Shape):
    """Items that were found."""

    items: list[Item]


class Namespaces(Shape):
    """Namespaces that were found."""

    namespaces: list[list[str]]


class Usage(Shape):
    """What the runs of a thread used: tokens, calls, US dollars (null: the price is unknown)."""

    thread_id: UUID
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    model_calls: int
    usd: float | None


class Prompts(Shape):
    """What was sent to the model in a run."""

    run_id: UUID
    thread_id: UUID
    prompts: list[Json]


class Pruned(Shape):
    """How many threads were pruned."""

    pruned_count: int


class Chat(Shape):
    """OpenAI's answer of a chat."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[Json]
    usage: Json


class ChatModels(Shape):
    """What is served, as OpenAI lists models."""

    object: Literal["list"]
    data: list[Json]


class ChatModel(Shape):
    """One of them."""

    id: str
    object: Literal["model"]


class ChatProblem(Shape):
    """Why a request was refused, in OpenAI's words."""

    error: Json


class Event(Shape):
    """One event of a stream; `data` is JSON, but for the last one of a chat."""

    data: str
    event: str = "message"
    id: str = ""


class Ready(Shape):
    """Whether the server takes requests, and if not why."""

    ready: bool


class Ok(Shape):
    """The process answers."""

    ok: bool
