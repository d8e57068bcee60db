"""What harnesses and providers really leave behind is read for what it is, whatever stands in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from satchel.evals.analyze import Settings, analyze
from satchel.evals.transcripts import formats
from satchel.evals.transcripts.transcript import Transcript
from tests.evals.odd import BILLS, ODD, logged

Said = tuple[str, str, list[str], str | None]


def read(folder: Path, text: str) -> list[Transcript]:
    (folder / "odd.jsonl").write_text(text, encoding="utf-8")
    return formats.read(folder / "odd.jsonl")[1]


def said(found: Transcript) -> list[Said]:
    return [(m.role, m.content, [c.id for c in m.calls], m.call_id) for m in found.trajectory.messages]


def spent(found: Transcript) -> list[tuple[int, ...]]:
    used = [b.usage for b in found.billed]
    return [(u.fresh, u.cache_read, u.cache_write, u.output, u.reasoning) for u in used]


def test_a_session_goes_on_over_its_compactions_and_a_side_chain_is_apart(tmp_path: Path) -> None:
    main, side = read(tmp_path, ODD["claude-code"])
    assert said(main)[2:5] == [
        ("assistant", "I read both.", ["t1", "t2"], None),
        ("tool", "line 1 of a\n[image]\nline 2 of a", [], "t1"),
        ("tool", "no such file", [], "t2"),
    ]
    assert said(main)[0] == ("user", "[image]\nWhat is on the picture, and in both files?", [], None)
    assert [text for _, text, _, _ in said(main)[5:]] == ["I go on, 2.", "Go on, 2.", "I go on, 3.", "Go on, 3.",
                                                         "It is a lamp."]  # fmt: skip
    assert (main.compactions, side.compactions) == (2, 0)
    assert spent(main) == [(5, 100 * n, 50, 9, 0) for n in (1, 2, 3, 4)], "once a reply, however many lines it has"
    assert [text for _, text, _, _ in said(side)] == ["Search the tree.", "Nothing there."]


def test_blocks_that_are_no_words_are_named_and_results_may_be_lists(tmp_path: Path) -> None:
    (found,) = read(tmp_path, ODD["anthropic"])
    assert said(found) == [
        ("system", "Be brief.", [], None),
        ("user", "[image]\nCompare.", [], None),
        ("assistant", "", ["t0", "t1"], None),
        ("tool", "zero\n[image]", [], "t0"),
        ("tool", "", [], "t1"),
        ("user", "Hurry.", [], None),
        ("assistant", "[server_tool_use]\n[web_search_tool_result]\nEqual.", [], None),
    ]


def test_a_chat_may_have_calls_of_both_times_broken_arguments_and_a_refusal(tmp_path: Path) -> None:
    (found,) = read(tmp_path, ODD["openai"])
    assert said(found) == [
        ("system", "Be brief.", [], None),
        ("user", "See.\n[image]", [], None),
        ("assistant", "", ["c0", "c1"], None),
        ("tool", "one", [], "c1"),
        ("tool", "zero", [], "c0"),
        ("assistant", "", ["look"], None),
        ("tool", "seen", [], "look"),
        ("assistant", "I will not.", [], None),
    ]
    assert [c.args for c in found.trajectory.messages[2].calls] == ['{"n": 0', '{"n": 1']


@pytest.mark.parametrize("name", BILLS)
def test_each_provider_tells_of_its_cache_in_its_own_words(name: str, tmp_path: Path) -> None:
    usage, bill = BILLS[name]
    (found,) = read(tmp_path, logged(usage))
    assert spent(found) == [bill]


def test_langchain_keeps_broken_calls_and_thoughts_apart(tmp_path: Path) -> None:
    (found,) = read(tmp_path, ODD["langchain"])
    assert said(found)[1:4] == [
        ("assistant", "I look.", ["c", "d"], None), ("tool", "one", [], "c"), ("tool", "no JSON", [], "d"),
    ]  # fmt: skip
    assert (found.model, spent(found)) == ("gemini-2.5-pro", [(100, 600, 200, 10, 20)])


@pytest.mark.parametrize("name", ["otlp", "openllmetry", "openinference"])
def test_spans_tell_the_same_call_as_typed_values_and_as_flat_names(name: str, tmp_path: Path) -> None:
    (found,) = read(tmp_path, ODD[name])
    assert [m.role for m in found.trajectory.messages] == ["system", "user", "assistant", "tool", "tool", "assistant"]
    assert [(c.id, c.args) for c in found.trajectory.messages[2].calls] == [("c0", {"n": 0}), ("c1", {"n": 1})]
    assert [m.call_id for m in found.trajectory.messages[3:5]] == ["c0", "c1"]
    assert said(found)[-1][1] == "A lamp."
    assert found.model == "gpt-5"
    assert spent(found) == [(30, 60, 0, 7, 5) if name == "otlp" else (30, 60, 0, 12, 0)]
    assert len(found.trajectory.tools) == (name != "otlp")


@pytest.mark.parametrize("name", ODD)
def test_every_odd_transcript_is_analysed(name: str, tmp_path: Path) -> None:
    (tmp_path / "odd.jsonl").write_text(ODD[name], encoding="utf-8")
    found = analyze(Settings.of("stateful", "+1500", ["c=.10,w=1.25"]), [tmp_path])
    assert found.failed == ()
    assert found.total is not None
    assert found.total.full.input > 0


def test_a_session_of_thousands_of_strays_is_read_in_time(tmp_path: Path) -> None:
    from time import process_time  # noqa: PLC0415 - this test alone looks at a clock

    line = (
        '{"type": "%s", "uuid": "u%d", "parentUuid": "u%d", "sessionId": "s", "message": {"id": "m", "content": [%s]}}'
    )
    call = '{"type": "tool_use", "id": "t", "name": "n", "input": {}}'
    result = '{"type": "tool_result", "tool_use_id": "t", "content": "x"}'
    turns = [line % (("user", n, n - 1, result) if n % 2 else ("assistant", n, n - 1, call)) for n in range(6_000)]
    began = process_time()
    (found,) = read(tmp_path, "\n".join(turns))
    assert len(found.trajectory.messages[0].calls) == 3_000, "one reply of as many lines"
    assert process_time() - began < 3, "it took 13 s when each line looked at all others"
