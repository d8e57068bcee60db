"""A service over HTTP: LangGraph's API for our agents and for any compiled graph; `app` makes the ASGI application."""

from __future__ import annotations

from satchel.runtime.service.app import app

__all__ = ["app"]
