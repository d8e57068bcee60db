"""Models: scripted ones for tests, and any LangChain chat model."""

from __future__ import annotations

from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage

from satchel import Agent


def test_any_langchain_chat_model_is_a_model() -> None:
    usage = {"input_tokens": 120, "output_tokens": 3, "total_tokens": 123, "input_token_details": {"cache_read": 100}}
    chat = GenericFakeChatModel(messages=iter([AIMessage("Moin.", usage_metadata=usage)]))

    result = Agent(model=chat, store="memory://").run("Say hello as they do in Hamburg.")

    assert result.output == "Moin."
    assert (result.usage.fresh, result.usage.cache_read, result.usage.output) == (20, 100, 3)


def test_a_price_that_is_not_known_is_unknown_and_not_zero() -> None:
    assert Agent(model="sim:echo", store="memory://").run("Echo?").usage.usd is None
