"""What a provider's exception means: the prompt was too long, no answer just now, or no answer at all."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from satchel.memory.errors import ModelBusy, ModelError, PromptTooLong
from satchel.runtime.failure import describe

TOO_LONG = tuple(
    re.compile(pattern, re.IGNORECASE | re.DOTALL)
    for pattern in (
        # OpenAI and servers that speak its language (vLLM, DeepSeek)
        r"maximum context length is (?P<limit>\d+) tokens.*?(?:resulted in|requested)\D*(?P<sent>\d+)",
        r"prompt is too long: (?P<sent>\d+) tokens > (?P<limit>\d+)",  # Anthropic
        r"input length and `max_tokens` exceed context limit: (?P<sent>\d+) \+ \d+ > (?P<limit>\d+)",  # Anthropic
        r"input token count \((?P<sent>\d+)\) exceeds the maximum number of tokens allowed \((?P<limit>\d+)",  # Gemini
        r"prompt contains (?P<sent>\d+) tokens.*?too large for model with (?P<limit>\d+)",  # Mistral
        r"context_length_exceeded|exceeds the context window|prompt is too long|too large for model with",
    )
)
"""How providers say that a prompt is too long: their 400 texts as found in public issues, read 2026-11-21."""

AGAIN = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
"""Statuses after which another try may succeed (RFC 9110; 529 is Anthropic's for overload)."""

LOST = frozenset({"APIConnectionError", "TransportError", "ClientConnectionError", "ConnectionError", "TimeoutError"})
"""Exceptions, by a class they derive from, of a lost connection (openai, anthropic, httpx, aiohttp, Python)."""

NEVER = ("insufficient_quota", "billing_hard_limit")
"""Words in a 429 that waiting does not help."""


def understood(error: Exception, name: str) -> ModelError:
    """The error of ours for an exception that calling the model `name` gave; keys are blanked."""
    said = f"{name} gave no answer: {describe(error)}"
    status, text = _status(error), str(error)
    if status in {None, 400, 413, 422}:
        for pattern in TOO_LONG:
            if match := pattern.search(text):
                return PromptTooLong(said, **{key: int(value) for key, value in match.groupdict().items()})
    if status in AGAIN and not any(word in text for word in NEVER):
        return ModelBusy(said, after=_after(error))
    kinds = {kind.__name__ for each in _chain(error) for kind in type(each).__mro__}
    if status is None and kinds & LOST:
        return ModelBusy(said, billed=any("Timeout" in kind for kind in kinds))
    return ModelError(said)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _status(error: Exception) -> int | None:
    """The HTTP status, wherever the client keeps it."""
    for each in _chain(error):
        places = (each, "status_code"), (each, "code"), (getattr(each, "response", None), "status_code")
        for at, field in places:
            if isinstance(found := getattr(at, field, None), int):
                return found
    return None


def _after(error: Exception) -> float | None:
    """Seconds to wait, as the provider says in `retry-after-ms` or `retry-after`; None if it does not say."""
    for each in _chain(error):
        headers: Any = getattr(getattr(each, "response", None), "headers", None) or {}
        for field, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
            with suppress(TypeError, ValueError):
                return max(0.0, float(headers.get(field)) / unit)
    return None
