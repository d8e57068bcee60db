"""Counting tokens offline with the exact o200k_base encoding, each message once.

A message counts as its role, content and calls, plus 4 tokens of role markers; tool schemas count as their JSON. This
is never lower than what providers document for o200k_base (3 tokens a message, +1 a name: OpenAI cookbook, "How to
count tokens with tiktoken", read 2026-11-21).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from satchel.runtime.context import vocabulary
from satchel.runtime.context.message import Message

if TYPE_CHECKING:
    import tiktoken

    from satchel.memory.records import Json

OVERHEAD = 4
"""Tokens of role markers around one message."""

CHUNK = 100_000
"""Characters encoded at a time: tiktoken's regex overflows its stack on about a million blanks."""

WIDEST = 128
"""Bytes of the longest token of o200k_base."""

BRIEF = 512
"""Characters of a text whose count is remembered."""

IMAGE = 5_000
"""Tokens of an image: above what 12 megapixels cost on Claude 5.5 (4,005), Gemini 3 (1,065) and GPT-6 at high detail
(2,942), as measured in huggingface.co/datasets/JOHNISKING/image-token-cost (read 2026-11-21)."""

IMAGES = frozenset({"image", "image_url", "input_image", "media", "image_generation_call"})
"""Content blocks of images, as providers and LangChain name them; their bytes are not read as text."""

SAID = frozenset({"text", "output_text", "tool_use", "tool_call", "function_call"})
REPEATED = frozenset({"text", "id", "name", "input", "args", "arguments", "call_id"})
UNSENT = frozenset({"by", "type", "id", "index", "response_metadata", "annotations"})
"""Blocks that repeat a reply's text and calls, the fields in which they do, and fields that are no input."""

# The pattern of o200k_base, as published in tiktoken 0.14.0 (tiktoken_ext/openai_public.py, MIT licence).
_CONTRACTION = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
_PATTERN = "|".join(
    [
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+" + _CONTRACTION,
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*" + _CONTRACTION,
        r"\p{N}{1,3}",
        r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
        r"\s*[\r\n]+",
        r"\s+(?!\S)",
        r"\s+",
    ]
)


@cache
def encoding() -> tiktoken.Encoding:
    """The encoding, built from the shipped vocabulary on first use (about 0.2 s and 77 MiB)."""
    import tiktoken  # noqa: PLC0415 - only what counts pays for it

    return tiktoken.Encoding(
        name="o200k_base",
        pat_str=_PATTERN,
        mergeable_ranks={token: rank for rank, token in enumerate(vocabulary.tokens())},
        special_tokens={"<|endoftext|>": 199_999, "<|endofprompt|>": 200_018},
    )


def is_own(model: str) -> bool:
    """Whether a model counts in o200k_base, by the table of tiktoken."""
    import tiktoken  # noqa: PLC0415 - as above

    try:
        return tiktoken.encoding_name_for_model(model) == "o200k_base"
    except KeyError:
        return False


def encode(text: str) -> list[int]:
    """Token ids of a text; special tokens in it are ordinary text."""
    if len(text) <= CHUNK:
        return encoding().encode_ordinary(text)
    return [t for i in range(0, len(text), CHUNK) for t in encoding().encode_ordinary(text[i : i + CHUNK])]


def decode(ids: Sequence[int]) -> str:
    """The text of token ids; a character cut in half at the edge is left out."""
    return encoding().decode_bytes(list(ids)).decode("utf-8", "ignore")


@lru_cache(maxsize=16_384)
def _count_short(text: str) -> int:
    return len(encoding().encode_ordinary(text))


def count(text: str) -> int:
    """Tokens of a text."""
    return _count_short(text) if len(text) <= BRIEF else len(encode(text))


def at_most(text: str, limit: int) -> int:
    """Tokens of a text up to `limit`, and `limit + 1` for any longer one, whose rest is then not read."""
    if len(text) > WIDEST * limit:
        return limit + 1
    head = text[: 16 * (limit + 1)]
    size = count(head)
    if size > limit or len(head) == len(text):
        return min(size, limit + 1)
    return min(count(text), limit + 1)


def render(message: Message) -> str:
    """A message as text, the way it is counted."""
    text = f"{message.role}\n{message.content}"
    for call in message.calls:
        text += "\n" + json.dumps({"name": call.name, "args": call.args}, ensure_ascii=False)
    return text


_COUNTS: WeakKeyDictionary[Message, int] = WeakKeyDictionary()


def count_message(message: Message) -> int:
    """Tokens of a message with its overhead; counted once for each message object."""
    if (known := _COUNTS.get(message)) is not None:
        return known
    size = len(encode(render(message))) + OVERHEAD
    if message.opaque is not None:  # what only the provider understands is input, too
        size += count_opaque(message.opaque)
    _COUNTS[message] = size
    return size


def count_opaque(value: Json) -> int:
    """Tokens of a reply's provider parts beside its text and calls: signatures and thoughts as text, images each."""
    if isinstance(value, list):
        return sum(map(count_opaque, value))
    if not isinstance(value, dict):
        return 0 if value is None else count(str(value))
    if value.get("type") in IMAGES:
        return IMAGE
    left_out = REPEATED | UNSENT if value.get("type") in SAID else UNSENT
    parts = ((key, part) for key, part in value.items() if key not in left_out)
    return sum(count(key) + count_opaque(part) for key, part in parts if key != "content" or not isinstance(part, str))


def counted(message: Message, size: int) -> None:
    """Keep the size of a message whose parts were counted already: their sum, which the whole never exceeds by much."""
    _COUNTS[message] = size


def encode_message(message: Message) -> list[int]:
    """Token ids of a message as it is counted, without the overhead."""
    return encode(render(message))


def render_tools(tools: Sequence[Json]) -> str:
    """Tool schemas as text, the way they are counted."""
    return "tools\n" + json.dumps(list(tools), ensure_ascii=False)


def count_tools(tools: Sequence[Json]) -> int:
    """Tokens of the tool schemas of a prompt; none cost nothing."""
    return count(render_tools(tools)) + OVERHEAD if tools else 0


def compact(value: Json) -> str:
    """A JSON value in its shortest canonical form: the text behind the handle of a call's arguments."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
