"""One conversation in every format is one conversation; what is malformed is named with file and line."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from satchel.evals.replay import trajectory
from satchel.evals.transcripts import formats, source
from satchel.evals.transcripts.transcript import Transcript
from satchel.memory.errors import TraceError
from satchel.runtime.context import tokens
from tests.evals.written import ANSWER, BILL, MODEL, STEPS, WRITTEN, steps, trace


def said(found: Transcript) -> list[str]:
    return [f"{m.call_id} {[c.id for c in m.calls]} {tokens.render(m)}" for m in found.trajectory.messages]


ORIGINAL = Transcript(trajectory=trajectory(json.loads(trace()), "here"))


def put(folder: Path, text: str, name: str = "talk.jsonl") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", WRITTEN)
def test_every_format_gives_the_same_conversation_and_bill(name: str, tmp_path: Path) -> None:
    row = WRITTEN[name]
    told, runs = formats.read(put(tmp_path, row.write()))
    main = runs[0]
    assert told == row.name
    bare = [line for line, m in zip(said(ORIGINAL), ORIGINAL.trajectory.messages, strict=True) if m.role != "system"]
    assert said(main) == (said(ORIGINAL) if row.surface else bare)
    assert main.lacks == {"langchain-dicts": ("tool schemas",), "langchain-dumps": ("tool schemas",)}.get(
        name, () if row.surface else ("system text", "tool schemas")
    )
    assert main.model == MODEL
    if not row.billed:
        assert main.billed == ()
        return
    bills = [step.usage for step in steps()] + [BILL]
    used = [b.usage for b in main.billed]
    assert [(u.fresh, u.cache_read, u.cache_write, u.output) for u in used] == bills
    assert all(billed.model == MODEL for billed in main.billed)


def test_a_side_chain_is_a_run_of_its_own_and_compactions_are_counted(tmp_path: Path) -> None:
    _, runs = formats.read(put(tmp_path, WRITTEN["claude-code"].write()))
    assert [(run.trajectory.id, run.compactions) for run in runs] == [("talk#1", 1), ("talk#2", 0)]
    assert said(runs[1])[-1].endswith("There are 720.")
    _, (run,) = formats.read(put(tmp_path, WRITTEN["pi"].write()))
    assert (run.compactions, [b.usage.usd for b in run.billed]) == (1, [0.25] * (STEPS + 1))


def test_results_of_parallel_calls_follow_their_reply_whenever_they_came(tmp_path: Path) -> None:
    def line(name: str, parent: str | None, kind: str, block: Any, reply: str = "") -> str:
        message = {"role": kind, "content": [block], **({"id": reply} if reply else {})}
        return json.dumps({"type": kind, "uuid": name, "parentUuid": parent, "sessionId": "s", "message": message})

    def call(n: int) -> Any:
        return {"type": "tool_use", "id": f"t{n}", "name": "open", "input": {"n": n}}

    def result(n: int) -> Any:
        return {"type": "tool_result", "tool_use_id": f"t{n}", "content": f"found {n}"}

    text = "\n".join([
        line("a", None, "user", {"type": "text", "text": "Open both."}),
        line("b", "a", "assistant", call(1), "m1"),
        line("c", "b", "user", result(1)),
        line("d", "b", "assistant", call(2), "m1"),
        line("e", "d", "user", result(2)),
        line("f", "e", "assistant", {"type": "text", "text": "Done."}, "m2"),
    ])  # fmt: skip
    _, (run,) = formats.read(put(tmp_path, text))
    shown = [(m.role, m.content, [c.id for c in m.calls]) for m in run.trajectory.messages]
    assert shown == [
        ("user", "Open both.", []), ("assistant", "", ["t1", "t2"]), ("tool", "found 1", []), ("tool", "found 2", []),
        ("assistant", "Done.", []),
    ]  # fmt: skip


def test_real_langchain_messages_are_read(tmp_path: Path) -> None:
    from langchain_core.load import dumpd  # noqa: PLC0415 - takes a while to load
    from langchain_core.messages import AIMessage, HumanMessage, ToolMessage, messages_to_dict  # noqa: PLC0415 - as above

    call = {"id": "c", "name": "look", "args": {"at": "crate-701"}}
    every = [
        HumanMessage([{"type": "text", "text": "Look."}, {"type": "image_url", "image_url": {"url": "x"}}]),
        AIMessage("I look.", tool_calls=[call]),
        ToolMessage("oil", tool_call_id="c"),
        AIMessage("Oil."),
    ]
    written = [messages_to_dict(every), [dumpd(m) for m in every], {"messages": [m.model_dump() for m in every]}]
    read = [said(formats.read(put(tmp_path, json.dumps(one)))[1][0]) for one in written]
    assert read[0] == read[1] == read[2]
    assert read[0][0].endswith("user\nLook.\n[image]")
    assert '{"name": "look", "args": {"at": "crate-701"}}' in read[0][1]


def test_lines_of_messages_and_packed_files_are_read(tmp_path: Path) -> None:
    every = json.loads(WRITTEN["openai"].write())["messages"]
    packed = tmp_path / "talk.jsonl.gz"
    packed.write_bytes(gzip.compress("\n".join(map(json.dumps, every)).encode()))
    _, (run,) = formats.read(packed)
    assert (run.trajectory.id, said(run)) == ("talk", said(ORIGINAL))
    assert said(run)[-1].endswith(ANSWER)


def test_a_prompt_that_goes_on_with_another_is_the_same_conversation_and_others_are_not(tmp_path: Path) -> None:
    first, *rest = WRITTEN["openai-calls"].write().split("\n")
    other = json.loads(first)
    other["request"]["messages"][1]["content"] = "Another task."
    _, runs = formats.read(put(tmp_path, "\n".join([first, json.dumps(other), *rest])))
    assert [len(run.billed) for run in runs] == [STEPS + 1, 1]
    assert said(runs[0]) == said(ORIGINAL)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "neither JSON nor JSON lines"),
        ("{", "neither JSON nor JSON lines"),
        ('{"type": "session"}\n{"type": ', "talk.jsonl, line 2: no JSON"),
        ("[" * 5_000, "talk.jsonl: nested too deep"),
        ('{"a":' * 90 + "1" + "}" * 90, "nested deeper than 64 levels"),
        ('{"hello": "world"}', "no transcript of a known format; known are Claude Code session"),
        ("7", "no transcript of a known format"),
        ('[{"role": "user", "content": "hi"}]', "holds no reply of a model"),
        ('{"id": "x", "messages": [{"role": "pope", "content": ""}]}', "not a trajectory (unknown role 'pope')"),
        ('{"messages": [{"role": "assistant", "content": 7}]}', "not what this format has there"),
        ('{"role": "user", "content": "a"}\n{"role": "assistant", "content": {}}', "talk.jsonl, line 2: not what this"),
        ('{"id": "x", "tools": 7, "messages": []}', "not a trajectory"),
    ],
)
def test_what_is_malformed_is_named_with_its_place(text: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(TraceError) as raised:
        formats.read(put(tmp_path, text))
    assert why in str(raised.value)
    assert "talk.jsonl" in str(raised.value)


def test_files_beyond_the_largest_size_and_bombs_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "LARGEST", 10_000)
    bomb = tmp_path / "bomb.json.gz"
    bomb.write_bytes(gzip.compress(b" " * 10_001))
    with pytest.raises(TraceError, match="more than 10,000 bytes unpacked"):
        formats.read(bomb)
    (tmp_path / "torn.json.gz").write_bytes(gzip.compress(b"[1]")[:-9])
    with pytest.raises(TraceError, match="cannot be read"):
        formats.read(tmp_path / "torn.json.gz")
