"""Marks that tell apart what was made apart: drawn at random, but no secret, so without a system call each."""

from __future__ import annotations

import os
import random

_source = random.Random()  # noqa: S311 - whoever may read a mark may read what it marks
os.register_at_fork(after_in_child=_source.seed)


def mark(size: int) -> bytes:
    """So many random bytes; another process draws others, a forked one, too."""
    return _source.randbytes(size)
