"""One tool call: the built-in that reads the log again, a tool of the agent, or a name that no tool has."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from satchel.prompts import render
from satchel.runtime.context import recall
from satchel.runtime.recalled import recalled

if TYPE_CHECKING:
    from satchel.memory.log import Log
    from satchel.memory.records import Call
    from satchel.runtime.spec import Spec


async def invoke(spec: Spec, log: Log, call: Call, *, seq: int, left: float | None) -> tuple[str, bool]:
    """The result of the call at position `seq` as text, and whether it is an error, within `left` seconds if given."""
    if call.name == recall.NAME:
        return await recalled(log, call.args)
    tool = spec.tools.get(call.name)
    if tool is None:
        return f"there is no tool {call.name!r}; there are: {', '.join(spec.tools)}", True
    if left == 0.0:
        return render("refused", name=call.name, budget="seconds"), True
    try:
        async with asyncio.timeout(left):
            output = await tool.invoke(call.args, key=f"{log.thread.name}:{seq}")
    except TimeoutError:
        return render("late", name=call.name), True
    return output.text, output.error
