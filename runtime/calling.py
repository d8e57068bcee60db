"""One tool call: the built-in that reads the log again, a tool of the agent, or a name that no tool has."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from satchel.memory.records import Result
from satchel.prompts import render
from satchel.runtime.context import recall
from satchel.runtime.recalled import recalled
from satchel.runtime.tools import ToolOutput

if TYPE_CHECKING:
    from satchel.memory.log import Log
    from satchel.memory.records import Call
    from satchel.runtime.spec import Spec


async def invoke(spec: Spec, log: Log, call: Call, *, seq: int, left: float | None) -> Result:
    """The result of the call at position `seq`, within `left` seconds if given."""
    if call.name == recall.NAME:
        return await recalled(log, call)
    output = await _output(spec, call, key=f"{log.thread.name}:{seq}", left=left)
    return Result(call=call.id, text=output.text, error=output.error)


async def _output(spec: Spec, call: Call, *, key: str, left: float | None) -> ToolOutput:
    tool = spec.tools.get(call.name)
    if tool is None:
        return ToolOutput(f"there is no tool {call.name!r}; there are: {', '.join(spec.tools)}", error=True)
    if left == 0.0:
        return ToolOutput(render("refused", name=call.name, budget="seconds"), error=True)
    try:
        async with asyncio.timeout(left):
            return await tool.invoke(call.args, key=key)
    except TimeoutError:
        return ToolOutput(render("late", name=call.name), error=True)
