"""What a provider's exception means, and what follows from it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from satchel.memory.errors import ModelBusy, ModelError, PromptTooLong
from satchel.runtime.attempts import FIRST_WAIT, HARDER, TRIES, UNKNOWN, after
from satchel.runtime.faults import understood


class ProviderError(Exception):
    """An exception as client libraries raise them."""

    def __init__(self, message: str, status: int | None = None, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.response: Any = SimpleNamespace(status_code=status, headers=headers or {}) if status else None


class ReadTimeoutError(ProviderError, TimeoutError):
    """A connection that gave no answer in time."""


@pytest.mark.parametrize(
    ("message", "sent", "limit"),
    [
        ("maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens.", 9001, 8192),
        ("maximum context length is 131072 tokens. However, you requested 131134 tokens (122942 in", 131134, 131072),
        ("prompt is too long: 201130 tokens > 200000 maximum", 201130, 200000),
        ("input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000, decrease", 190000, 200000),
        ("The input token count (81881) exceeds the maximum number of tokens allowed (65536).", 81881, 65536),
        ("Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum", 40000, 32768),
        ("Your input exceeds the context window of this model.", None, None),
        ("{'code': 'context_length_exceeded'}", None, None),
    ],
)  # fmt: skip
def test_every_provider_s_words_for_a_prompt_too_long_are_known(
    message: str, sent: int | None, limit: int | None
) -> None:
    found = understood(ProviderError(message, 400), "m")
    assert isinstance(found, PromptTooLong)
    assert (found.sent, found.limit) == (sent, limit)


@pytest.mark.parametrize("status", [408, 429, 500, 503, 529])
def test_a_busy_provider_may_be_asked_again(status: int) -> None:
    found = understood(ProviderError("overloaded", status, {"retry-after": "2.5"}), "m")
    assert isinstance(found, ModelBusy)
    assert found.after == 2.5


@pytest.mark.parametrize(
    "error",
    [
        ProviderError("no key", 401),
        ProviderError("bad request", 400),
        ProviderError("insufficient_quota", 429),
        ValueError("prompt"),
    ],
)
def test_anything_else_is_no_answer_at_all(error: Exception) -> None:
    assert type(understood(error, "m")) is ModelError


def test_a_cause_tells_what_its_wrapper_hides_and_a_lost_connection_may_be_billed_if_it_timed_out() -> None:
    wrapper = RuntimeError("failed")
    wrapper.__cause__ = ProviderError("overloaded", 503, {"retry-after-ms": "40", "retry-after": "9"})
    found = understood(wrapper, "m")
    assert isinstance(found, ModelBusy)
    assert (found.after, found.billed) == (0.04, False)
    late = understood(ReadTimeoutError("read"), "m")
    assert isinstance(late, ModelBusy)
    assert late.billed
    reset = understood(ConnectionResetError("gone"), "m")
    assert isinstance(reset, ModelBusy)
    assert not reset.billed


def test_a_date_in_retry_after_is_as_none() -> None:
    found = understood(ProviderError("x", 503, {"retry-after": "Sat, 21 Nov 2026 10:00:00 GMT"}), "m")
    assert isinstance(found, ModelBusy)
    assert found.after is None


def test_waits_double_and_end() -> None:
    waits = [after(ModelBusy("x"), size=1, failed=n, capped=False, late=False) for n in range(TRIES)]
    assert [then.wait for then in waits[:-1]] == [FIRST_WAIT * 2**n for n in range(TRIES - 1)]
    assert waits[-1].outcome == "failed"


def test_a_harder_fold_goes_by_what_the_provider_says() -> None:
    told = after(PromptTooLong("x", sent=10_000, limit=8_000), size=9_000, failed=0, capped=False, late=False)
    assert told.cap == int(9_000 * 0.8 * HARDER)
    assert after(PromptTooLong("x"), size=9_000, failed=0, capped=False, late=False).cap == int(9_000 * UNKNOWN)
    assert after(PromptTooLong("x"), size=9_000, failed=1, capped=True, late=False).outcome == "context"
