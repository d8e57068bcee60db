"""The conversations that a middleware is having, kept warm between turns, and what surrounds their prompts."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from hashlib import blake2s
from typing import TYPE_CHECKING, Any, TypeVar

from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.utils.function_calling import convert_to_openai_tool

from satchel.memory.errors import ConfigError, UnknownHandle
from satchel.memory.handles import SALT
from satchel.runtime.context import recall, tokens
from satchel.runtime.conversation import Conversation, Setting, rounded
from satchel.runtime.models_langchain import LangChainModel
from satchel.runtime.transcript_langchain import Faithful, Mark, read, stamp, system

if TYPE_CHECKING:
    from satchel.memory.records import Json
    from satchel.runtime.context.context import Prompt
    from satchel.runtime.context.message import Message
    from satchel.runtime.gate import Standing, Verdict
    from satchel.runtime.ledger import Ledger

T = TypeVar("T")

KEPT = 64
"""Conversations that are kept warm; an older one is made anew from its messages."""


class Held:
    """A conversation with the messages that it has taken in; `failed` counts model calls that gave no reply."""

    def __init__(self, setting: Setting, salt: bytes) -> None:
        self.lock = threading.Lock()
        self.failed = 0
        self._fresh = partial(Conversation, setting, salt, stamp)
        self._begin()

    def _begin(self) -> None:
        self.conversation = self._fresh()
        self._marks: list[Mark] = []

    def take(self, messages: Sequence[BaseMessage]) -> None:
        """Be the conversation of these messages: by those that are new, or from the first one if they were changed."""
        if not self._goes_on(messages):
            self._begin()
        new = messages[len(self._marks) :]
        self.conversation.add(read(new))
        self._marks += map(Mark.of, new)

    def _goes_on(self, messages: Sequence[BaseMessage]) -> bool:
        known = len(self._marks)
        if len(messages) < known or not all(map(Mark.still, self._marks, messages)):
            return False
        following = messages[known] if len(messages) > known else None
        unanswered = self.conversation.asked is not None and following is not None
        return not isinstance(following, ToolMessage) and not (unanswered and not isinstance(following, AIMessage))

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count a model call that fails; one that gives a reply takes all before it into the ledger."""
        self.failed += 1
        yield
        self.failed = 0

    def prompt(self, messages: Sequence[BaseMessage], **asked: Any) -> Prompt:
        """The prompt after these messages. A call that failed and is asked otherwise now leaves no trace."""
        if self.conversation.asked not in (None, tuple(asked.values())):
            self._begin()
            self.take(messages)
        return self.conversation.prompt(**asked)


@dataclass(frozen=True, slots=True)
class Surface:
    """What is sent beside a conversation: model, system messages and tool schemas, with their tokens."""

    model: LangChainModel
    layout: Faithful
    systems: tuple[Message, ...]
    schemas: tuple[Json, ...]
    tokens: int

    @property
    def rounded(self) -> int:
        """Its tokens as a conversation's setting has them."""
        return rounded(self.tokens)

    def request(self, request: Any, prompt: Prompt, reply_tokens: int, *, final: bool) -> Any:
        """The request with the prompt in place of its messages; the reserved answer (`final`) may call no tool."""
        messages = (*self.systems, *prompt.messages)
        sent = self.layout.prompt(messages)
        own = request.system_message is not None
        options = {**self.model.options(messages, reply_tokens), **request.model_settings}
        changes: dict[str, Any] = {"model_settings": options, "messages": sent[own:]}
        if own:
            changes["system_message"] = sent[0]
        declared = self.model.provider.declared
        if final and (declared is None or request.response_format is not None):
            return request.override(**changes, tools=[])
        if final:
            changes["tool_choice"] = declared
        return request.override(**changes, tools=[*request.tools, *prompt.tools])


@dataclass(frozen=True, slots=True)
class Asked:
    """One model call that is to be made: its request, and what it takes to account for the reply."""

    request: Any
    held: Held
    prompt: Prompt
    surface: Surface
    ledger: Ledger
    standing: Standing
    verdict: Verdict


class Shelf:
    """All conversations of one middleware, and the facts of its models and tools. Threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: OrderedDict[tuple[bytes, Setting], Held] = OrderedDict()
        self._models: OrderedDict[int, tuple[Any, LangChainModel, Faithful]] = OrderedDict()
        self._tools: tuple[list[Any], tuple[Json, ...], int] = [], (), 0

    @contextmanager
    def held(self, setting: Setting, messages: Sequence[BaseMessage]) -> Iterator[Held]:
        """The conversation of these messages, for one user at a time."""
        key = _salt(messages), setting
        with self._lock:
            held = self._held.get(key) or Held(setting, key[0])
            self._held[key] = held
            self._held.move_to_end(key)
            if len(self._held) > KEPT:
                self._held.popitem(last=False)
        with held.lock:
            held.take(messages)
            yield held

    def text(self, ledger: Ledger, messages: Sequence[BaseMessage], handle: str) -> str:
        """The text behind a handle that stood in the prompt before the newest reply. Raises `UnknownHandle`."""
        return self._asked(ledger, messages, lambda conversation: conversation.text(handle))

    def stored(self, ledger: Ledger, messages: Sequence[BaseMessage]) -> list[tuple[str, str]]:
        """All texts before the newest reply, each behind its handle, the newest first. Raises `UnknownHandle`."""
        return self._asked(ledger, messages, lambda conversation: conversation.stored())

    def _asked(self, ledger: Ledger, messages: Sequence[BaseMessage], ask: Callable[[Conversation], T]) -> T:
        if not ledger.setting:
            raise UnknownHandle("nothing is stored behind a handle: nothing has been left out so far")
        newest = max((n for n, message in enumerate(messages) if isinstance(message, AIMessage)), default=0)
        setting = Setting(**ledger.setting)
        live = self._held.get((_salt(messages), setting))
        if live and live.conversation.number == ledger.texts:
            with live.lock:
                return ask(live.conversation)
        with self.held(setting, messages[:newest]) as held:
            if held.conversation.number != ledger.texts:
                raise UnknownHandle("the conversation was changed since this handle was given; read its source again")
            return ask(held.conversation)

    def surface(self, request: Any) -> Surface:
        """What is sent beside the messages of a request. Raises `ConfigError` for a tool that is named like ours."""
        first = [request.system_message] if request.system_message else []
        systems = tuple(system([*first, *request.messages]))
        schemas, size = self._schemas(request.tools)
        if any(isinstance(s, dict) and s.get("function", {}).get("name") == recall.NAME for s in schemas):
            raise ConfigError(f"a tool of yours is named {recall.NAME!r}, as the built-in one; rename it")
        size += sum(map(tokens.count_message, systems)) + _structured(request.response_format)
        model, layout = self._model(request.model)
        return Surface(model, layout, systems, schemas, size)

    def _schemas(self, tools: Sequence[Any]) -> tuple[tuple[Json, ...], int]:
        known, schemas, size = self._tools
        if len(known) != len(tools) or any(a is not b for a, b in zip(known, tools, strict=True)):
            schemas = tuple(tool if isinstance(tool, dict) else convert_to_openai_tool(tool) for tool in tools)
            size = tokens.count_tools(schemas)
            self._tools = list(tools), schemas, size
        return schemas, size

    def _model(self, chat: Any) -> tuple[LangChainModel, Faithful]:
        with self._lock:
            if id(chat) not in self._models:
                model = LangChainModel(chat)
                layout = Faithful(type(chat).__name__, model.provider)
                self._models[id(chat)] = chat, model, layout  # the chat is kept, so that its id stays its own
                if len(self._models) > KEPT:
                    self._models.popitem(last=False)
            return self._models[id(chat)][1:]


def _salt(messages: Sequence[BaseMessage]) -> bytes:
    """From the first message's id, which the graph draws at random and no model or tool is shown."""
    seed = (messages[0].id or str(messages[0].text)) if messages else ""
    return blake2s(seed.encode(errors="surrogatepass"), digest_size=SALT, person=b"satchel").digest()


def _structured(response_format: Any) -> int:
    """Tokens of the schemas of a structured answer, at most."""
    specs = getattr(response_format, "schema_specs", None) or [getattr(response_format, "schema_spec", None)]
    schemas: list[Mapping[str, Json]] = [spec.json_schema for spec in specs if spec is not None]
    kind = getattr(response_format, "schema", None)
    if not schemas and kind is not None and hasattr(kind, "model_json_schema"):
        schemas = [kind.model_json_schema()]
    return tokens.count_tools(schemas) + 64 * len(schemas)
