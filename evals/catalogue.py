"""Catalogue prose for observations: what real tools return beside the few fields that matter."""

from __future__ import annotations

from functools import cache, lru_cache
from importlib.resources import files
from random import Random
from string import Template

SENTENCES = 4
"""Sentences of a passage: about 100 tokens of o200k_base."""


@cache
def text(name: str) -> str:
    """A text that ships with the evals."""
    return files("satchel.evals").joinpath("texts", f"{name}.md").read_text(encoding="utf-8")


@cache
def _words() -> dict[str, list[str]]:
    pairs = (line.split(": ", 1) for line in text("catalogue_words").splitlines())
    return {name: words.split(", ") for name, words in pairs}


@lru_cache(maxsize=4096)
def passage(*key: object) -> str:
    """A passage of about 100 tokens, decided by the key alone."""
    rng = Random(" ".join(map(str, key)))  # noqa: S311 - prose, no secret
    chosen = rng.sample(text("catalogue").splitlines(), SENTENCES)
    slots = ({name: rng.choice(words) for name, words in _words().items()} for _ in chosen)
    lines = (
        Template(line).substitute(slot, number=str(rng.randint(2, 99)))
        for line, slot in zip(chosen, slots, strict=True)
    )
    return " ".join([f"Catalogue entry {rng.randint(100, 999)}.", *lines])
