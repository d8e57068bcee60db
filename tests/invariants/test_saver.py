"""Hypothesis against the saver's lists: whatever is appended, cut or forked, each version reads back as it was."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from langgraph.checkpoint.base import empty_checkpoint
from langgraph.checkpoint.serde.types import _DeltaSnapshot

from satchel.memory import RedisSaver

CONFIG: Any = {"configurable": {"thread_id": "t1", "checkpoint_ns": ""}}
ITEMS = st.sampled_from(["a", "b" * 99, "c" * 99, None, 1, True, 1.0]) | st.lists(st.integers(0, 3), max_size=2)


class Versions(RuleBasedStateMachine):
    """Checkpoints with one list, each made from any earlier one; the oracle is the lists themselves."""

    def __init__(self) -> None:
        super().__init__()
        self.saver = RedisSaver.from_url("memory://")
        self.kept: list[tuple[Any, list[Any], bool]] = []

    def teardown(self) -> None:
        self.saver.close()

    def put(self, parent: int | None, value: list[Any], *, snapshot: bool) -> None:
        config = self.kept[parent][0] if parent is not None else CONFIG
        version = self.saver.get_next_version(None, None)
        checkpoint: Any = {**empty_checkpoint(), "channel_versions": {"log": version}}
        checkpoint["channel_values"] = {"log": _DeltaSnapshot(value) if snapshot else value}
        stored = self.saver.put(config, checkpoint, {"source": "loop", "step": 0}, {"log": version})
        self.kept.append((stored, list(value), snapshot))

    @rule(value=st.lists(ITEMS, max_size=5), snapshot=st.booleans())
    def begin(self, value: list[Any], *, snapshot: bool) -> None:
        self.put(None, value, snapshot=snapshot)

    @precondition(lambda self: self.kept)
    @rule(data=st.data(), more=st.lists(ITEMS, max_size=4), cut=st.integers(0, 4), snapshot=st.booleans())
    def go_on(self, data: st.DataObject, more: list[Any], cut: int, *, snapshot: bool) -> None:
        parent = data.draw(st.integers(0, len(self.kept) - 1))
        old = self.kept[parent][1]
        self.put(parent, [*old[: max(0, len(old) - cut)], *more], snapshot=snapshot)

    @rule()
    def forget(self) -> None:
        self.saver._of.forget()

    @precondition(lambda self: self.kept)
    @rule()
    def prune(self) -> None:
        self.saver.prune(["t1"])
        newest = max(self.kept, key=lambda row: row[0]["configurable"]["checkpoint_id"])
        self.kept = [newest]

    @invariant()
    def every_version_reads_back(self) -> None:
        for config, value, snapshot in self.kept:
            found = self.saver.get_tuple(config)
            assert found is not None
            read = found.checkpoint["channel_values"]["log"]
            assert isinstance(read, _DeltaSnapshot) is snapshot
            assert repr(read.value if snapshot else read) == repr(value)


TestVersions = Versions.TestCase
TestVersions.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
