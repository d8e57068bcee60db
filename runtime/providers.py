"""What each provider wants of a request, one row each: where the tail stands, where cached prefixes end, who retries.

    provider    tail                        cached prefixes end                         key
    Anthropic   words of the user, after    at `cache_control` marks, at most 4         -
    OpenAI      in the newest message       anywhere; from GPT-5.6 on at marks          prompt_cache_key
    Gemini      in the newest message       anywhere                                    -
    Mistral     in the newest message       anywhere, for requests with one key         prompt_cache_key

Mistral refuses words of the user after a tool's result; for Gemini they would begin a new turn, which drops its
thought signatures. Anthropic's mark stands on a whole result, so what changes each turn must stand after it.

Sources, read 2026-11-21: platform.claude.com/docs/en/build-with-claude/prompt-caching (4 marks, a look-back of 20
blocks, order tools, system, messages); developers.openai.com/api/docs/guides/prompt-caching (1,024 tokens, steps of
128; from GPT-5.6 on exact matches at breakpoints, writes at 1.25); ai.google.dev/gemini-api/docs/caching and
/thought-signatures; docs.mistral.ai/studio-api/conversations/advanced/prompt-caching (blocks of 64 tokens, with a key).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from satchel.memory.records import Json


def _untouched(chat: Any) -> Any:
    return chat


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """How one provider is spoken to.

    `apart` puts the tail after the newest message, as words of the user, else it ends that message. `mark` is what a
    text block carries where a cached prefix ends (None: prefixes are cached by themselves); `options` go with marks.
    `keyed` says that requests name their conversation by `prompt_cache_key`. Prefixes are cached from `minimum` tokens
    on, in steps of `step`; None if nothing is known. `declared` is the choice of tools with which a prompt that holds
    calls and offers no tools names those called: Anthropic wants that, and langchain-openai would turn from one API to
    the other (None: not needed). `alone` gives the client without retries of its own; `unknown` are words of JSON
    Schema that the provider does not take.
    """

    apart: bool = False
    mark: Mapping[str, Json] | None = None
    options: Mapping[str, Json] = field(default_factory=dict)
    keyed: bool = False
    minimum: int | None = None
    step: int = 1
    declared: Json = None
    alone: Callable[[Any], Any] = _untouched
    unknown: frozenset[str] = field(default_factory=frozenset)


def _tries(most: int) -> Callable[[Any], Any]:
    """For clients that read their number of tries with each call."""
    return lambda chat: chat.model_copy(update={"max_retries": most})


def _openai_alone(chat: Any) -> Any:
    root = getattr(chat, "root_async_client", None)
    if root is None:
        return chat
    root = root.with_options(max_retries=0)
    return chat.model_copy(update={"max_retries": 0, "root_async_client": root, "async_client": root.chat.completions})


def _anthropic_alone(chat: Any) -> Any:
    alone = chat.model_copy(update={"max_retries": 0})
    for made in ("_client_params", "_client", "_async_client"):  # made again on first use, without retries
        alone.__dict__.pop(made, None)
    return alone


_OPENAI = Provider(keyed=True, minimum=1024, step=128, declared="none", alone=_openai_alone)

KEYS = {
    "openai": ("OPENAI_API_KEY", "OPENAI_ADMIN_KEY"),
    "anthropic": ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"),
    "google_genai": ("GOOGLE_API_KEY", "GEMINI_API_KEY", "GOOGLE_GENAI_USE_VERTEXAI"),
    "mistralai": ("MISTRAL_API_KEY",),
}
"""Variables of the environment, one of which a model by the name `provider:model` needs."""

OTHER = Provider()
"""A provider that we know nothing of: the tail where every provider takes it, no marks, its client as it is."""

ROWS: tuple[tuple[str, str, Provider], ...] = (
    (
        "ChatOpenAI|AzureChatOpenAI",
        r"gpt-(5\.([6-9]|\d\d)|[6-9]|\d\d)",
        replace(
            _OPENAI,
            mark={"prompt_cache_breakpoint": {"mode": "explicit"}},
            options={"prompt_cache_options": {"mode": "explicit"}},
            step=1,
        ),
    ),
    ("ChatOpenAI|AzureChatOpenAI", r"gpt-\d|chatgpt-|o\d", _OPENAI),
    ("ChatOpenAI|AzureChatOpenAI", "", replace(_OPENAI, keyed=False, minimum=None)),
    (
        "ChatAnthropic",
        "",
        Provider(
            apart=True,
            mark={"cache_control": {"type": "ephemeral"}},
            declared={"type": "none"},
            minimum=1024,
            alone=_anthropic_alone,
        ),
    ),
    (
        "ChatGoogleGenerativeAI",
        "",
        Provider(
            minimum=4096,
            alone=_tries(1),  # 0 would mean the default of Google's client
            unknown=frozenset({"additionalProperties"}),
        ),
    ),
    ("ChatMistralAI", "", Provider(keyed=True, minimum=64, step=64, alone=_tries(1))),
)
"""Patterns for the class of the LangChain client and for how the model's name begins, and the row; the first counts."""


def provider(client: str, model: str) -> Provider:
    """The row for a LangChain client class and a model's name, which may begin with `provider:` or `models/`."""
    name = re.split(r"[/:](?=[a-z])", model.strip().lower())[-1]
    return next((row for kind, begins, row in ROWS if re.fullmatch(kind, client) and re.match(begins, name)), OTHER)


def without(schema: Json, words: frozenset[str]) -> Json:
    """A JSON schema without some of its words; the schema itself if there are none to leave out."""
    if not words:
        return schema
    if isinstance(schema, dict):
        return {key: without(value, words) for key, value in schema.items() if key not in words}
    return [without(value, words) for value in schema] if isinstance(schema, list) else schema
