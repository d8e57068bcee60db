"""The rows of providers, models by name, and where prices come from."""

from __future__ import annotations

import pytest

from satchel.memory.errors import ConfigError
from satchel.runtime.agent import Agent
from satchel.runtime.budget import Budget
from satchel.runtime.context import tokens
from satchel.runtime.models import resolve
from satchel.runtime.models_langchain import LangChainModel
from satchel.runtime.prices_known import look_up
from satchel.runtime.providers import KEYS, OTHER, provider, without


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for key in (key for keys in KEYS.values() for key in keys):
        monkeypatch.delenv(key, raising=False)


@pytest.mark.parametrize(
    ("client", "model", "marks", "keyed"),
    [
        ("ChatOpenAI", "gpt-5", False, True),
        ("ChatOpenAI", "openai:gpt-5.5-2026-01-01", False, True),
        ("ChatOpenAI", "gpt-5.6-sol", True, True),
        ("ChatOpenAI", "gpt-6.1", True, True),
        ("ChatOpenAI", "my-own-server", False, False),
        ("ChatAnthropic", "claude-opus-5", True, False),
        ("ChatMistralAI", "mistral-large-latest", False, True),
        ("ChatGoogleGenerativeAI", "models/gemini-3.8-flash", False, False),
    ],
)
def test_the_client_and_the_model_decide_the_row(client: str, model: str, marks: bool, keyed: bool) -> None:  # noqa: FBT001 - columns of the table
    row = provider(client, model)
    assert (row.mark is not None, row.keyed) == (marks, keyed)


def test_a_client_that_is_not_known_is_left_as_it_is() -> None:
    assert provider("ChatDeepSeek", "gpt-5.6") is OTHER
    assert OTHER.alone(KEYS) is KEYS


def test_words_that_a_provider_does_not_take_are_left_out_of_schemas() -> None:
    schema = {"properties": {"a": {"additionalProperties": False, "type": "object"}}, "additionalProperties": False}
    assert without(schema, frozenset({"additionalProperties"})) == {"properties": {"a": {"type": "object"}}}
    assert without(schema, frozenset()) is schema


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("openai:gpt-5", "needs a key: set OPENAI_API_KEY"),
        ("mistralai:mistral-large-latest", "needs a key: set MISTRAL_API_KEY"),
        ("anthropic:claude-opus-5", "needs a key: set ANTHROPIC_API_KEY"),
        ("google_genai:gemini-3.8-flash", "needs a key: set GOOGLE_API_KEY"),
        ("nobody:model-1", "cannot be made: .*nobody"),
        ("ollama:llama", "cannot be made: .*langchain-ollama"),
    ],
)
def test_what_is_wrong_with_a_name_is_told_when_the_agent_is_built(name: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Agent(name, store="memory://")


def test_a_model_by_name_is_ready_with_its_price_and_its_counter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "no-key-at-all")
    agent = Agent("openai:gpt-5", store="memory://", budget=Budget(usd=1.0))
    assert agent.spec.price is not None
    assert agent.spec.model.exact
    model = resolve("openai:gpt-5")
    assert isinstance(model, LangChainModel)
    assert model._chat.root_async_client.max_retries == 0


def test_a_price_comes_from_our_rows_then_from_genai_prices_then_from_nowhere() -> None:
    ours, theirs = look_up("anthropic:claude-opus-5"), look_up("mistralai:mistral-large-latest")
    assert ours is not None
    assert ours.source.startswith("https://")
    assert theirs is not None
    assert theirs.source.startswith("genai-prices ")
    assert theirs.cache_read == pytest.approx(theirs.input / 10)
    assert look_up("nobody:model-1") is None
    assert look_up("sim:echo") is None


def test_an_image_is_counted_as_one_and_said_twice_is_counted_once() -> None:
    image = {"type": "image", "source": {"type": "base64", "data": "A" * 400_000}}
    assert tokens.count_opaque({"by": "X", "message": {"content": [image, image]}}) < 2 * tokens.IMAGE + 20
    said = {"type": "text", "text": "word " * 500}
    assert tokens.count_opaque({"message": {"content": [said]}}) < 10
    signature = {**said, "extras": {"signature": "c2lnbmF0dXJl" * 50}}
    assert tokens.count_opaque({"message": {"content": [signature]}}) > 100
