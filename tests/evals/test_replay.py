"""Replay feeds recorded trajectories to the engine as they happened and writes what would have been sent."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from satchel.evals.replay import Call, Replay, Trajectory, read, replay_files
from satchel.memory.errors import SatchelError, TraceError
from satchel.memory.handles import HANDLE
from satchel.runtime.context import tokens
from satchel.runtime.mode import MODES

TOOLS = [{"type": "function", "function": {"name": "look", "description": "Look at a thing.", "parameters": {}}}]


def call(n: int, args: Any, name: str = "look") -> dict[str, Any]:
    return {"id": f"c{n}", "name": name, "args": args}


def recorded(name: str, steps: int, words: int) -> dict[str, Any]:
    """A trajectory of our own: a task, then calls with results of `words` words, an aside of the user, an answer."""
    messages: list[dict[str, Any]] = [
        {"role": "system", "content": "You look at things."},
        {"role": "user", "content": "Find the cheapest thing."},
    ]
    for n in range(steps):
        found = {"id": f"thing_{n}", "price": 1000 + n} if n % 2 else " ".join(f"w{n}-{k}" for k in range(words))
        text = json.dumps(found) if isinstance(found, dict) else found
        messages += [
            {"role": "assistant", "content": "", "tool_calls": [call(n, {"id": f"thing_{n}"})]},
            {"role": "tool", "content": text, "tool_call_id": f"c{n}", "name": "look"},
        ]
        if n == steps // 2:
            messages += [
                {"role": "assistant", "content": "Which?"},
                {"role": "user", "content": "The red one, caf\u00e9."},
            ]
    messages.append({"role": "assistant", "content": "thing_1 at 1001"})
    return {"id": name, "source": "own", "group": name, "domain": "own", "tools": TOOLS, "messages": messages}


TRACES = [recorded("short", 3, 20), recorded("long", 60, 120), recorded("huge results", 6, 9_000)]


@pytest.fixture
def traces(tmp_path: Path) -> Path:
    path = tmp_path / "own.jsonl.gz"
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(trace) + "\n" for trace in TRACES)
    return path


def lines(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def replayed(path: Path, mode: str, limit: str) -> list[tuple[Trajectory, list[Call], dict[str, str]]]:
    settings = Replay(MODES[mode], limit)
    return [(trajectory, *settings.run(trajectory)) for trajectory in read(path)]


# ------------------------------------------------------------------ the judge's formula, written again
def size(text: str) -> int:
    return len(tokens.encoding().encode(text, disallowed_special=())) + 4


def rendered(message: dict[str, Any]) -> str:
    text = f"{message['role']}\n{message.get('content') or ''}"
    for made in message.get("tool_calls") or ():
        text += "\n" + json.dumps({"name": made["name"], "args": made["args"]}, ensure_ascii=False)
    return text


def counted(messages: list[dict[str, Any]], tools: list[Any]) -> int:
    return size("tools\n" + json.dumps(tools, ensure_ascii=False)) + sum(size(rendered(m)) for m in messages)


def histories() -> list[tuple[str, int, list[dict[str, Any]]]]:
    """For each recorded call: trajectory, number, and all messages before it."""
    out = []
    for trace in TRACES:
        starts = [k for k, m in enumerate(trace["messages"]) if m["role"] == "assistant"]
        out += [(trace["id"], i, trace["messages"][:k]) for i, k in enumerate(starts)]
    return out


# ------------------------------------------------------------------ what is sent
def test_stateless_sends_exactly_what_was_recorded_before_each_call(traces: Path, tmp_path: Path) -> None:
    replay_files(Replay(MODES["stateless"], "1000000"), [traces], tmp_path / "p.jsonl", None)
    sent = lines(tmp_path / "p.jsonl")
    assert [(p["trajectory"], p["call"], p["messages"]) for p in sent] == histories()
    ratio = sum(counted(p["messages"], p["tools"]) for p in sent) / sum(counted(h, TOOLS) for _, _, h in histories())
    assert ratio == 1.0


def test_the_total_is_the_sum_by_the_formula(traces: Path, tmp_path: Path) -> None:
    total = replay_files(Replay(MODES["stateless"], "1000000"), [traces], tmp_path / "p.jsonl", None)
    assert total == {
        "trajectories": 3,
        "calls": len(histories()),
        "tokens": sum(counted(h, TOOLS) for _, _, h in histories()),
        "surface": sum(counted([m for m in h if m["role"] == "system"], TOOLS) for _, _, h in histories()),
        "folds": 0,
    }


@pytest.mark.parametrize("limit", ["+2500", "+4000", "+12000"])
def test_stateful_stays_under_the_limit_and_answers_every_recorded_call(traces: Path, limit: str) -> None:
    for trajectory, calls, _ in replayed(traces, "stateful", limit):
        surface = counted([m.wire() for m in trajectory.messages if m.role == "system"], TOOLS)
        assert [c.call for c in calls] == list(range(sum(m.role == "assistant" for m in trajectory.messages)))
        for made in calls:
            sent = counted([m.wire() for m in made.prompt.messages], list(made.prompt.tools))
            assert sent <= surface + int(limit)


def test_stateful_folds_the_long_trajectory_and_leaves_the_short_one_alone(traces: Path) -> None:
    folds = {t.id: sum(len(c.prompt.folds) for c in calls) for t, calls, _ in replayed(traces, "stateful", "+2500")}
    assert folds["short"] == 0
    assert folds["long"] > 2


@pytest.mark.parametrize("mode", sorted(MODES))
def test_a_prompt_never_holds_anything_of_the_future(traces: Path, mode: str) -> None:
    """Cutting the recording off after a call changes no prompt up to it; nor does another ending."""
    for trajectory in read(traces):
        whole, _ = Replay(MODES[mode], "200000" if mode != "stateful" else "+2500").run(trajectory)
        starts = [k for k, m in enumerate(trajectory.messages) if m.role == "assistant"]
        for i in range(0, len(starts), 7):
            cut = Trajectory(trajectory.id, trajectory.tools, trajectory.messages[: starts[i] + 1])
            early, _ = Replay(MODES[mode], "200000" if mode != "stateful" else "+2500").run(cut)
            assert [wires(c) for c in early] == [wires(c) for c in whole[: i + 1]]


def wires(made: Call) -> list[Any]:
    return [m.wire() for m in made.prompt.messages]


def test_the_same_traces_give_the_same_files(traces: Path, tmp_path: Path) -> None:
    settings = Replay(MODES["stateful"], "+2500")
    for n in (1, 2):
        (tmp_path / str(n)).mkdir()
        replay_files(settings, [traces], tmp_path / str(n) / "p.jsonl.gz", tmp_path / str(n) / "v.jsonl.gz")
    for name in ("p.jsonl.gz", "v.jsonl.gz"):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()


def test_every_vault_text_is_part_of_one_message_and_every_recorded_text_has_a_handle(traces: Path) -> None:
    for trajectory, _, vault in replayed(traces, "stateful", "+2500"):
        parts = [m.content for m in trajectory.messages]
        for message in trajectory.messages:
            for made in message.calls:
                parts += [json.dumps(made.args, ensure_ascii=False, sort_keys=order) for order in (False, True)]
        bare = [("".join(part.split()), len(part)) for part in parts]
        for handle, text in vault.items():
            assert HANDLE.fullmatch(handle)
            assert any(len(text) <= length and "".join(text.split()) in part for part, length in bare)
        assert {m.content for m in trajectory.messages if m.role != "system"} <= set(vault.values())


def test_each_handle_in_a_prompt_that_is_no_index_has_its_text_before_the_call(traces: Path) -> None:
    for trajectory, calls, vault in replayed(traces, "stateful", "+2500"):
        starts = [k for k, m in enumerate(trajectory.messages) if m.role == "assistant"]
        pages = any(fold.page is not None for c in calls for fold in c.prompt.folds)
        for made in calls:
            earlier = trajectory.messages[: starts[made.call]]
            known = {m.content for m in earlier} | {tokens.compact(c.args) for m in earlier for c in m.calls}
            handles = {h for m in made.prompt.messages for h in HANDLE.findall(m.content)}
            assert {vault[h] for h in handles if h in vault or not pages} <= known


def test_lone_surrogates_survive_into_a_file_that_any_reader_can_read(tmp_path: Path) -> None:
    trace = {"id": "x", "messages": [{"role": "user", "content": "a\ud800b"}, {"role": "assistant", "content": "ok"}]}
    path = tmp_path / "odd.jsonl"
    path.write_text(json.dumps(trace))
    for suffix in ("", ".gz"):
        out, shelf = tmp_path / f"p.jsonl{suffix}", tmp_path / f"v.jsonl{suffix}"
        replay_files(Replay(MODES["stateless"], "5000"), [path], out, shelf)
        assert lines(out)[0]["messages"][0]["content"] == "a\ud800b"
        assert lines(shelf)[0]["text"] == "a\ud800b"


# ------------------------------------------------------------------ bad input
USER = {"role": "user", "content": "hi"}


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "nonsense",
        "[]",
        "7",
        "null",
        "{}",
        json.dumps({"id": "x"}),
        json.dumps({"messages": [USER]}),
        json.dumps({"id": "x", "messages": "text"}),
        json.dumps({"id": "x", "messages": {"role": "user"}}),
        json.dumps({"id": "x", "messages": None}),
        json.dumps({"id": "x", "messages": [7]}),
        json.dumps({"id": "x", "messages": [[]]}),
        json.dumps({"id": "x", "messages": [{"content": "no role"}]}),
        json.dumps({"id": "x", "messages": [{"role": "wizard", "content": "x"}]}),
        json.dumps({"id": "x", "messages": [{"role": ["user"], "content": "x"}]}),
        json.dumps({"id": "x", "messages": [{"role": 7, "content": "x"}, {"role": "wizard"}]}),
        json.dumps({"id": "x", "messages": [{"role": "user", "content": 7}]}),
        json.dumps({"id": "x", "messages": [{"role": "user", "content": {"text": "x"}}]}),
        json.dumps({"id": "x", "messages": [{"role": "user", "content": ["x"]}]}),
        json.dumps({"id": "x", "messages": [USER, {"role": "assistant", "tool_calls": [{"id": "1", "name": "f"}]}]}),
        json.dumps({"id": "x", "messages": [USER, {"role": "assistant", "tool_calls": [{"id": "1", "args": {}}]}]}),
        json.dumps({"id": "x", "messages": [USER, {"role": "assistant", "tool_calls": "f()"}]}),
        json.dumps({"id": "x", "messages": [USER, {"role": "assistant", "tool_calls": 7}]}),
        json.dumps({"id": "x", "tools": 7, "messages": [USER]}),
        json.dumps({"id": "x", "tools": {"name": "f"}, "messages": [USER]}),
        json.dumps({"id": "x", "tools": ["f"], "messages": [USER]}),
        json.dumps({"id": ["x"], "messages": [USER]}),
        '{"id": "x", "messages": ' + "[" * 100_000,
        '{"id": "x", "n": ' + "9" * 10_000 + ', "messages": []}',
    ],
    ids=lambda line: line if len(line) < 140 else f"{line[:30]} and {len(line)} more",
)
def test_a_malformed_line_is_named_by_file_and_number(line: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text(json.dumps(TRACES[0]) + "\n\n" + line + "\n")
    found = read(path)
    assert next(found).id == "short"
    with pytest.raises(TraceError, match=r"bad\.jsonl, line 3: .*expected"):
        next(found)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("plain.jsonl.gz", b'{"id": "x", "messages": []}\n'),
        ("cut.jsonl.gz", gzip.compress(b'{"id": "x"' * 1_000)[:40]),
        ("harmed.jsonl.gz", gzip.compress(b"{}\n" * 1_000)[:-8] + b"12345678"),
        ("flipped.jsonl.gz", gzip.compress(bytes(range(256)) * 50)[:60] + b"\xff" * 60),
        ("binary.jsonl", bytes(range(256))),
        ("latin.jsonl", '{"id": "caf\u00e9"}'.encode("latin-1")),
    ],
)
def test_a_file_that_is_no_trace_file_is_named(name: str, data: bytes, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(TraceError, match=name.replace(".", r"\.")):
        list(read(path))


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    for path in (tmp_path / "none.jsonl", tmp_path / "none.jsonl.gz", tmp_path):
        with pytest.raises(SatchelError, match=path.name):
            list(read(path))


def test_a_trajectory_that_does_not_fit_is_named_with_its_call(traces: Path) -> None:
    with pytest.raises(TraceError, match=r"long, call \d+: .*raise --context-limit or use the mode stateful"):
        replayed(traces, "stateless", "4000")


def test_a_recorded_transcript_that_breaks_the_rules_is_replayed_as_it_is(tmp_path: Path) -> None:
    """Answers without calls, calls without answers, a system message in the middle, an ending without a call."""
    messages = [
        {"role": "tool", "content": "who asked?", "tool_call_id": "z"},
        USER,
        {"role": "assistant", "content": None, "tool_calls": [call(1, {}), call(1, "text"), call(2, None)]},
        {"role": "tool", "content": "one", "tool_call_id": "c1"},
        {"role": "tool", "content": "two", "tool_call_id": "c1"},
        {"role": "system", "content": "be brief"},
        {"role": "assistant", "content": [{"type": "text", "text": "done"}]},
        USER,
    ]
    path = tmp_path / "odd.jsonl"
    path.write_text(json.dumps({"id": "odd", "messages": messages}))
    for mode in MODES:
        ((_, calls, _),) = replayed(path, mode, "5000")
        assert [c.call for c in calls] == [0, 1]
