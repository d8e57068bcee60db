"""The modes: each one value, made here and named nowhere else in the runtime."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches

from satchel.memory.errors import ConfigError
from satchel.runtime.context.ablations import Ingest, Rewrite
from satchel.runtime.context.baselines import Clear, Forget, Trim
from satchel.runtime.context.folding import Fold
from satchel.runtime.context.past import Keep, Mask, Past, Terms, Window


@dataclass(frozen=True, slots=True)
class Mode:
    """How the past is shown, and whether the context limit or the model's own window is the ceiling.

    `cached=False` is for a baseline that is billed as if no provider kept a prefix; what is sent is the same.
    """

    name: str
    summary: str
    past: Callable[[Terms], Past]
    bounded: bool = True
    cached: bool = True


MODES = {
    mode.name: mode
    for mode in (
        Mode("stateful", "digest of older turns, recent turns whole, under the context limit", Fold),
        Mode("stateless", "the full transcript each turn, under the model's window", Keep, bounded=False),
        Mode("stateless-nocache", "the same prompts, billed without a cache", Keep, bounded=False, cached=False),
        Mode("ingest", "ablation: large results previewed on arrival, nothing folded", Ingest, bounded=False),
        Mode("rewrite", "ablation: stateful with a fold before every prompt", Rewrite),
        Mode("window", "baseline: the task and the last 3 turns", Window, bounded=False),
        Mode("mask", "baseline: results before the last 10 left out", Mask, bounded=False),
        Mode("forget", "baseline: keep the first message, forget the older half above 40", Forget, bounded=False),
        Mode("clear", "baseline: above 8,000 tokens clear all results but the last 3", Clear, bounded=False),
        Mode("trim", "baseline: the newest messages that fit in 8,000 tokens", Trim, bounded=False),
    )
}


def mode(value: str | Mode) -> Mode:
    """A mode by name; raises `ConfigError` for an unknown one."""
    if isinstance(value, Mode):
        return value
    if value in MODES:
        return MODES[value]
    near = get_close_matches(value, MODES, 1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(MODES)}"
    raise ConfigError(f"unknown mode {value!r}; {hint}")
