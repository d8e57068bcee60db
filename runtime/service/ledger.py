"""What an agent's log says beyond its messages: usage, stored results, and the prompts that were sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import groupby
from typing import TYPE_CHECKING, Any

from satchel.memory import handles
from satchel.memory.errors import UnknownHandle
from satchel.memory.log import text_of
from satchel.memory.records import Call, Charge, Opened, Reply, Result, Started, Usage
from satchel.prompts import render
from satchel.runtime.budget import left
from satchel.runtime.calibration import Calibration
from satchel.runtime.context import recall
from satchel.runtime.context.context import Overflow
from satchel.runtime.gate import Gate
from satchel.runtime.history import History

if TYPE_CHECKING:
    from satchel.memory.records import Entry
    from satchel.runtime.context.context import Prompt
    from satchel.runtime.spec import Spec

MOST = 20_000
"""Tokens of one answer that reads a part of a result."""


def usage(log: Sequence[Entry]) -> dict[str, Any]:
    """Tokens in disjoint buckets, calls and US dollars (null: the price is unknown) of all runs.

    `summaries` are those of summarisers, a part of the others.
    """
    total = summaries = Usage()
    for entry in log:
        if isinstance(entry.record, (Reply, Charge)):
            total += entry.record.usage
            if isinstance(entry.record, Charge) and entry.record.prose is not None:
                summaries += entry.record.usage
        elif isinstance(entry.record, Call) and not entry.record.refused:
            total += Usage(tool_calls=1)
    return {
        **asdict(total),
        "summaries": asdict(summaries),
        "input_tokens": total.input,
        "cached_tokens": total.cache_read,
        "total_tokens": total.total,
    }


def result(log: Sequence[Entry], ref: str, part: Mapping[str, str | None]) -> str:
    """The text behind a handle: whole, or the part that `lines`, `path` or `query` picks."""
    salt = log[0].record.salt if log and isinstance(log[0].record, Opened) else ""
    seq = handles.seq(bytes.fromhex(salt), ref)
    text = _found(log, seq)
    if text is None:
        raise UnknownHandle(f"{ref} names nothing in this thread; use a handle that stands in the prompt")
    if not any(part.values()):
        return text
    return recall.select(text, MOST, query=part.get("query"), lines=part.get("lines"), path=part.get("path"))


def _found(log: Sequence[Entry], seq: int) -> str | None:
    if seq < handles.RESULT:
        return text_of(log[seq].record) if seq < len(log) else None
    at = seq - handles.RESULT
    call = log[at].record if at < len(log) else None
    if not isinstance(call, Call):
        return None
    later = (entry.record for entry in log[at + 1 :])
    return next((one.text for one in later if isinstance(one, Result) and one.call == call.id), None)


def prompts(spec: Spec, log: Sequence[Entry], op: str) -> list[dict[str, Any]]:
    """The prompts of the run that an operation began, made again from the log before each reply."""
    return list(_prompts(spec, log, op)) if log else []


def _prompts(spec: Spec, log: Sequence[Entry], op: str) -> Iterator[dict[str, Any]]:
    salt = log[0].record.salt if isinstance(log[0].record, Opened) else ""
    known = Calibration(spec.model.name, spec.model.exact)
    history = History(spec.context(bytes.fromhex(salt)), spec.tools, known)
    gate = Gate(spec)
    wanted = False
    for _, entries in groupby(log, key=lambda entry: entry.op):
        commit = list(entries)
        if isinstance(commit[0].record, Started):
            wanted = commit[0].op == op
        if wanted and any(isinstance(entry.record, Reply) for entry in commit):
            prompt = _prompt(history, gate, commit[0].seq)
            if prompt is not None:
                yield _told(prompt, history, spec)
        history.feed(commit)


def _prompt(h: History, gate: Gate, seq: int) -> Prompt | None:
    verdict = gate.model(h.standing, seconds=0.0)
    final = verdict.stop is not None
    state = render("final_answer") if final else left(h.budget, h.spent)
    try:
        prompt = h.context.prompt(state=state, page_seq=seq, ceiling=verdict.ceiling, final=final)
    except Overflow:
        return None
    h.prompted = True
    return prompt


def _told(prompt: Prompt, h: History, spec: Spec) -> dict[str, Any]:
    folds = [{"room": f.room, "deep": f.deep, "page": f.page, "certificate": f.certificate} for f in prompt.folds]
    return {
        "step": h.steps,
        "tokens": prompt.size,
        "ceiling": spec.ceiling,
        "messages": [message.wire() for message in prompt.messages],
        "tools": list(prompt.tools),
        "folded_turns": h.context.past.digest.turns,
        "folds": folds,
    }
