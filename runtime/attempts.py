"""What follows a model call that gave no answer: another try, a harder fold, or the end of the run."""

from __future__ import annotations

from dataclasses import dataclass

from satchel.memory.errors import ModelBusy, PromptTooLong

TRIES = 4
"""Model calls in a row that may fail before the run ends."""

FIRST_WAIT, MOST_WAIT = 0.5, 60.0
"""Seconds before the second try, doubled for each further one, and the most that a provider may ask for."""

HARDER, UNKNOWN = 0.9, 0.5
"""Share of what the provider allows, and of the refused prompt if it does not say, that the next prompt may have."""


@dataclass(frozen=True, slots=True)
class Next:
    """`outcome` ends the run, else it goes on after `wait` seconds, its prompts below `cap` tokens by our count.

    `billed` says that the provider may bill the input of the call.
    """

    detail: str
    outcome: str | None = None
    wait: float = 0.0
    cap: int | None = None
    billed: bool = False


def used_up(limit: str) -> str:
    """Why a run ends when a budget does."""
    return f"the budget of {limit} is used up; resume with add_budget to go on"


def after(error: Exception, *, size: int, failed: int, capped: bool, late: bool) -> Next:
    """What follows `error`, for a prompt of `size` tokens, after `failed` other tries.

    `capped` tells of a harder fold since the last reply; `late` that the budget's seconds cut the call off. A provider
    bills a call that was cut off, not one that it refused.
    """
    if late:
        return Next(used_up("seconds"), "seconds", billed=True)
    detail = str(error) or f"the model gave no answer ({type(error).__name__})"
    if isinstance(error, PromptTooLong):
        return _harder(error, detail, size=size, capped=capped)
    if isinstance(error, ModelBusy):
        return _once_more(error, detail, failed=failed)
    return Next(detail, "failed")


def _harder(error: PromptTooLong, detail: str, *, size: int, capped: bool) -> Next:
    if capped:
        return Next(f"still too long after a harder fold: {detail}", "context")
    share = error.limit / error.sent * HARDER if error.limit and error.sent else UNKNOWN
    return Next(detail, cap=int(size * min(share, HARDER)))


def _once_more(error: ModelBusy, detail: str, *, failed: int) -> Next:
    wait = FIRST_WAIT * 2**failed if error.after is None else error.after
    if failed + 1 >= TRIES:
        return Next(f"{detail} (tried {failed + 1} times)", "failed", billed=error.billed)
    if wait > MOST_WAIT:
        return Next(f"{detail} (asks to wait {wait:.0f} seconds; resume the thread then)", "failed")
    return Next(detail, wait=wait, billed=error.billed)
