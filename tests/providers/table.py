"""The doubles with the client that speaks to each; the tests of providers run over these rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.providers.anthropic_messages import Anthropic
from tests.providers.double import Double
from tests.providers.gemini_content import Gemini
from tests.providers.mistral_chat import Mistral
from tests.providers.openai_chat import OpenAI
from tests.providers.openai_responses import Responses

KEY: Any = "no-key-at-all"


def openai(url: str, model: str = "gpt-5", **options: Any) -> Any:
    from langchain_openai import ChatOpenAI  # noqa: PLC0415 - each client takes a second to import

    return ChatOpenAI(model=model, base_url=f"{url}/v1", api_key=KEY, **options)


def openai_marked(url: str, **options: Any) -> Any:
    return openai(url, "gpt-5.6", use_responses_api=False, **options)


def openai_responses(url: str, **options: Any) -> Any:
    return openai(url, "gpt-6", **options)


def anthropic(url: str, **options: Any) -> Any:
    from langchain_anthropic import ChatAnthropic  # noqa: PLC0415 - as above

    return ChatAnthropic(model_name="claude-sonnet-5", base_url=url, api_key=KEY, **options)


def anthropic_thinking(url: str, **options: Any) -> Any:
    return anthropic(url, thinking={"type": "enabled", "budget_tokens": 1024}, max_tokens=4096, **options)


def gemini(url: str, **options: Any) -> Any:
    from langchain_google_genai import ChatGoogleGenerativeAI  # noqa: PLC0415 - as above

    return ChatGoogleGenerativeAI(model="gemini-3.1-pro-preview", base_url=url, api_key=KEY, **options)


def mistral(url: str, **options: Any) -> Any:
    from langchain_mistralai import ChatMistralAI  # noqa: PLC0415 - as above

    return ChatMistralAI(model_name="mistral-large-latest", base_url=f"{url}/v1", api_key=KEY, **options)


@dataclass(frozen=True)
class Row:
    """A double, the LangChain client that speaks to it, and how its model's name begins."""

    double: Callable[..., Double]
    client: Callable[..., Any]


ROWS = {
    "openai": Row(OpenAI, openai),
    "openai-marked": Row(OpenAI, openai_marked),
    "openai-responses": Row(Responses, openai_responses),
    "anthropic": Row(Anthropic, anthropic),
    "anthropic-thinking": Row(Anthropic, anthropic_thinking),
    "gemini": Row(Gemini, gemini),
    "mistral": Row(Mistral, mistral),
}
