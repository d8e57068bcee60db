"""A name for the history file of a deep agent, which is else drawn at random and stands in its prompts."""

from __future__ import annotations

from typing import Annotated, Any, NotRequired

from deepagents.middleware.summarization import SUMMARIZATION_SESSION_ID_KEY
from langchain.agents.middleware.types import AgentMiddleware, AgentState, PrivateStateAttr


class Named(AgentState[Any]):
    """The state key under which deepagents looks for the name."""

    _summarization_session_id: NotRequired[Annotated[str, PrivateStateAttr]]


class Session(AgentMiddleware[Named, Any, Any]):
    """Names the history file of each run, so that a rerun sends the same prompts."""

    state_schema = Named

    def __init__(self, name: str) -> None:
        super().__init__()
        self._session = f"session_{name}"

    def before_agent(self, state: Named, runtime: Any) -> dict[str, Any]:  # noqa: ARG002 - the hook's shape
        """A run begins."""
        return {SUMMARIZATION_SESSION_ID_KEY: self._session}
