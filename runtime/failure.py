"""One line about an exception for a model or a log to read: its type and message, bounded, with secrets blanked."""

from __future__ import annotations

import re

from satchel.memory.normalise import text

LIMIT = 500
"""Characters of a message that are kept."""

_SECRETS = re.compile(
    r"""
    \b(?:sk|pk|rk|gsk|xai|ghp|gho|github_pat|glpat|hf|xox[abprs]|lsv2|tvly)[-_][\w-]{8,}  # keys with a known prefix
    | \bAIza[\w-]{20,} | \b(?:AKIA|ASIA)[A-Z0-9]{16}\b                                    # Google, AWS
    | \beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*                                                   # JSON web tokens
    | (?<=://)[^/\s:@]*:[^/\s@]+(?=@)                                                     # user:password in addresses
    | (?i:(?<=bearer\ )[\w.~+/=-]{16,})
    | (?i:(?<=basic\ )[\w+/=-]{16,})
    | (?ix:((?:api[-_]?key|password|passwd|secret|(?:access|auth)[-_]?token)["']?\s*[=:]\s*["']?))[^\s"'&,;]{4,}
    """,
    re.VERBOSE,
)


def describe(error: BaseException, *, limit: int = LIMIT) -> str:
    """`Type: message`, without a traceback; whatever looks like a key or a password becomes `***`."""
    try:
        message = str(error)
    except Exception:  # noqa: BLE001 - the exception is a stranger's, and so is its __str__
        message = "(its message cannot be shown)"
    message = " ".join(redact(message[: limit * 8]).split())
    if len(message) > limit:
        message = message[:limit] + " ..."
    name = type(error).__name__
    return text(f"{name}: {message}" if message else name)


def redact(message: str) -> str:
    """The message with whatever looks like a secret replaced by `***`."""
    return _SECRETS.sub(lambda match: (match[1] or "") + "***", message)
