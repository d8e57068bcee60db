"""What is said: prompt texts as files, rendered strictly, versioned by content."""

from satchel.prompts.render import render, version

__all__ = ["render", "version"]
