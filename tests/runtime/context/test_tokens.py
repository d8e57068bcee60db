"""Tokens are counted by the exact encoding, offline, each message once, and no lower than the formula says."""

from __future__ import annotations

import base64
import hashlib
import random
import zlib
from importlib.resources import files

import pytest
import tiktoken

from satchel.runtime.context import tokens, vocabulary
from satchel.runtime.context.message import Message, ToolCall

PACK = files("satchel.runtime.context") / "o200k_base.bin"
PATTERN = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
    r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""As published with o200k_base."""

ALPHABETS = (
    "abc ABC 123",
    "if x == 1:\n\treturn {'a': [1, 2]}\r\n",
    "\u00e9\u00df\u0142 \u4f60\u597d\u4e16\u754c",
    "\u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627 \u202e",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f600",
    " \n\t\x0b\x0c\x85\u2028",
    "\x00\x01\x7f\xff\ufffd",
    "<|endoftext|> <|endofprompt|> don't WE'LL",
)


@pytest.fixture(scope="module")
def independent() -> tiktoken.Encoding:
    """The encoding made from the pack's bytes alone, by another way than the engine's."""
    data = zlib.decompress(PACK.read_bytes())
    ranks, at = {}, vocabulary.SIZE
    for rank in range(vocabulary.SIZE):
        ranks[data[at : at + data[rank]]] = rank
        at += data[rank]
    return tiktoken.Encoding("o200k_base", pat_str=PATTERN, mergeable_ranks=ranks, special_tokens={})


def test_the_rebuilt_rank_file_is_the_published_one() -> None:
    ranks = vocabulary.rank_file()
    assert hashlib.sha256(ranks).hexdigest() == vocabulary.sha256() == vocabulary.SHA256
    assert vocabulary.SHA256 == "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d"


def test_the_pack_is_small_and_made_from_the_rank_file() -> None:
    assert len(PACK.read_bytes()) < 1_000_000
    assert zlib.decompress(vocabulary.pack(vocabulary.rank_file())) == zlib.decompress(PACK.read_bytes())


def test_every_byte_is_a_token_and_no_token_stands_twice() -> None:
    every = vocabulary.tokens()
    assert len(set(every)) == len(every) == vocabulary.SIZE
    assert {bytes((value,)) for value in range(256)} <= set(every)
    assert base64.b64encode(every[0]) == b"IQ=="


def test_hundreds_of_texts_have_the_tokens_of_the_published_encoding(independent: tiktoken.Encoding) -> None:
    chance = random.Random(7)
    for n in range(400):
        alphabet = ALPHABETS[n % len(ALPHABETS)] if n % 3 else "".join(ALPHABETS)
        text = "".join(chance.choice(alphabet) for _ in range(chance.randrange(1, 400)))
        assert tokens.encode(text) == independent.encode(text, disallowed_special=())
        assert tokens.decode(tokens.encode(text)) == text


def test_special_tokens_in_a_text_are_ordinary_text() -> None:
    assert len(tokens.encode("<|endoftext|>")) > 1


@pytest.mark.parametrize(
    "text", [" " * 1_500_000, "a" * 1_000_000, "\n" * 400_000, "\u4f60" * 300_000], ids=["blanks", "a", "breaks", "cjk"]
)
def test_a_huge_monotonous_text_is_counted(text: str) -> None:
    assert tokens.count(text) > 0
    assert tokens.decode(tokens.encode(text)) == text


def test_a_lone_surrogate_is_counted_not_refused() -> None:
    assert tokens.count("a\ud800b") == 3


def test_a_message_counts_its_role_content_and_calls_and_four(independent: tiktoken.Encoding) -> None:
    call = ToolCall("id-1", "search", {"q": "caf\u00e9", "n": [1, None]})
    message = Message("assistant", "Let me look.", (call, call))
    line = '\n{"name": "search", "args": {"q": "caf\u00e9", "n": [1, null]}}'
    assert tokens.count_message(message) == len(independent.encode("assistant\nLet me look." + line * 2)) + 4


def test_tool_schemas_count_as_their_json_and_none_cost_nothing(independent: tiktoken.Encoding) -> None:
    assert tokens.count_tools([]) == 0
    assert tokens.count_tools([{"name": "f"}]) == len(independent.encode('tools\n[{"name": "f"}]')) + 4


def test_each_message_is_encoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """However often a message stands in a prompt; the counter is the real one, watched."""
    encode, seen = tokens.encode, list[str]()

    def watched(text: str) -> list[int]:
        seen.append(text)
        return encode(text)

    monkeypatch.setattr(tokens, "encode", watched)
    messages = [Message("tool", f"result {n} " * 100, call_id=str(n)) for n in range(20)]
    sizes = [[tokens.count_message(message) for message in messages] for _ in range(5)]
    assert sizes[0] == sizes[4]
    assert len(seen) == 20


def test_a_text_that_is_surely_longer_than_a_limit_is_not_read_to_its_end() -> None:
    assert max(map(len, vocabulary.tokens())) == tokens.WIDEST
    for text in ("word " * 50, " " * 5_000, "x" * 300_000, "\U0001f600" * 40):
        for limit in (0, 10, 50, 1_000):
            assert tokens.at_most(text, limit) == min(tokens.count(text), limit + 1)
