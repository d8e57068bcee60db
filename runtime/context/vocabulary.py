"""The o200k_base vocabulary, shipped as a pack of under 1 MB, so that tokens are counted without a network.

The pack is zlib over one length byte for each token followed by all tokens in the order of their ranks. It is made
from the published rank file by `python -m satchel.runtime.context.vocabulary RANKS PACK`.
Source: the file that tiktoken names o200k_base.tiktoken (OpenAI, MIT licence), sha256 below.
"""

from __future__ import annotations

import base64
import hashlib
import sys
import zlib
from functools import cache
from importlib.resources import files
from itertools import accumulate, pairwise
from pathlib import Path

SHA256 = "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d"
SIZE = 199_998


def pack(ranks: bytes) -> bytes:
    """Turn a published rank file into a pack."""
    tokens = [base64.b64decode(line.split()[0]) for line in ranks.splitlines()]
    return zlib.compress(bytes(map(len, tokens)) + b"".join(tokens), 9)


@cache
def tokens() -> tuple[bytes, ...]:
    """All tokens by rank."""
    data = zlib.decompress((files(__package__) / "o200k_base.bin").read_bytes())
    bounds = accumulate(data[:SIZE], initial=SIZE)
    return tuple(data[a:b] for a, b in pairwise(bounds))


def rank_file() -> bytes:
    """The published rank file, rebuilt from the pack."""
    return b"".join(b"%s %d\n" % (base64.b64encode(token), rank) for rank, token in enumerate(tokens()))


def sha256() -> str:
    """Digest of the rebuilt rank file; equals `SHA256`."""
    return hashlib.sha256(rank_file()).hexdigest()


if __name__ == "__main__":
    Path(sys.argv[2]).write_bytes(pack(Path(sys.argv[1]).read_bytes()))
