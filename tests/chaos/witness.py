"""What the processes of one thread noted, held against its log: is anything lost, altered, doubled or repeated?"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from typing import Any

from satchel.memory.codec import decode_entry
from satchel.memory.records import Call, Ended, Entry, Reply, Result, Started, Usage

Note = dict[str, Any]


class Witness:
    """Of one thread, from its first process to its last. All of them note in one file, each line in one system call."""

    def __init__(self, trail: Path, thread: str) -> None:
        self.trail = trail
        self.thread = thread
        self.notes: list[Note] = []
        self.log: list[Entry] = []
        self.faults: list[str] = []
        self.counts: Counter[str] = Counter()
        self._raw: list[bytes] = []
        self._known: set[str] = set()
        self._told: set[str] = set()
        self._begun: Counter[str] = Counter()

    def look(self, fields: Mapping[bytes, bytes]) -> list[Note]:
        """Read what is new in the notes, hold it against the log as it stands now, and return it."""
        new = [json.loads(line) for line in self.trail.read_text().splitlines()[len(self.notes) :]]
        raw = [fields[b"%d" % n] for n in range(int(fields.get(b"n", 0)))]
        if raw[: len(self._raw)] != self._raw:
            self.faults.append(f"what stood in the log has changed ({len(self._raw)} entries, then {len(raw)})")
        for note in new:
            if note["kind"] == "commit":
                self._acknowledged(note, raw)
            if note["kind"] == "tool":
                self._executed(note)
        self.notes += new
        self._raw, self.log = raw, [decode_entry(data, n) for n, data in enumerate(raw)]
        self._known |= {key_of(self.thread, entry.op) for entry in self.log if isinstance(entry.record, Result)}
        return new

    @property
    def begun(self) -> bool:
        """Whether a run stands in the log, so that it can be resumed."""
        return any(isinstance(entry.record, Started) for entry in self.log)

    def end(self, whole: Witness) -> list[str]:
        """All that is wrong with a thread that has ended, beside one that nobody disturbed."""
        self.faults += _doubled(self.log)
        pairs: dict[str, tuple[Any, Any]] = {"ended with": (answers(self.notes), answers(whole.notes))}
        if not any(isinstance(e.record, Ended) and e.record.outcome == "uncertain" for e in self.log):
            pairs["sent"] = prompts(self.notes), prompts(whole.notes)
            pairs["spent"] = spent(self.log), spent(whole.log)
        self.faults += [
            f"it {what} {ours}, undisturbed {theirs}" for what, (ours, theirs) in pairs.items() if ours != theirs
        ]
        self.counts["tool calls completed"] += len(self._known & self._begun.keys())
        self.counts["answered without running"] += len(self._known - self._begun.keys())
        self.faults += [f"the result of {key} came from nowhere" for key in self._of_runs() - self._begun.keys()]
        self.counts["commits in the logs"] += len({entry.op for entry in self.log})
        return self.faults

    def _of_runs(self) -> set[str]:
        """Results of calls that must have run: not of `recall`, which looks into the log, nor of writes in doubt."""
        names = {entry.record.id: entry.record.name for entry in self.log if isinstance(entry.record, Call)}
        results = ((entry.op, entry.record.call) for entry in self.log if isinstance(entry.record, Result))
        return {key_of(self.thread, op) for op, call in results if names.get(call) not in {"recall", "post"}}

    def _acknowledged(self, note: Note, raw: Sequence[bytes]) -> None:
        self.counts["acknowledged commits checked"] += 1
        kept = raw[note["seq"] : note["seq"] + len(note["sha"])]
        if [sha256(data).hexdigest() for data in kept] != note["sha"]:
            self.faults.append(f"the acknowledged commit {note['op']} is lost or altered")
        self._told.add(key_of(self.thread, note["op"]))

    def _executed(self, note: Note) -> None:
        key = note["key"]
        self._begun[key] += 1
        self.counts["tool calls begun"] += 1
        self.counts["begun again, in doubt"] += self._begun[key] > 1
        if key in self._known | self._told:
            self.faults.append(f"the completed call {key} ran again")
        if note["name"] == "post" and self._begun[key] > 1:
            self.faults.append(f"the write {key} ran again")


def key_of(thread: str, op: str) -> str:
    """The idempotency key of the call whose result an operation wrote."""
    return f"{thread}:{op.removeprefix('c')}"


def answers(notes: Sequence[Note]) -> set[str]:
    """The answers of all processes that came to the end of the run."""
    return {note["output"] for note in notes if note["kind"] == "end" and note["outcome"] == "done"}


def prompts(notes: Sequence[Note]) -> dict[int, set[str]]:
    """The digests of the prompts that were sent for each step."""
    sent: dict[int, set[str]] = {}
    for note in notes:
        if note["kind"] == "prompt":
            sent.setdefault(note["step"], set()).add(note["sha"])
    return sent


def spent(log: Sequence[Entry]) -> Usage:
    """All that the log says was spent; what was cached does not count, for a provider's cache may die, too."""
    usage = sum((e.record.usage for e in log if isinstance(e.record, Reply)), Usage())
    return Usage(fresh=usage.input, output=usage.output, model_calls=usage.model_calls, usd=None)


def _doubled(log: Sequence[Entry]) -> list[str]:
    """Operations and steps that stand in the log twice."""
    found: list[object] = [op for op, _ in groupby(entry.op for entry in log)]
    found += [("reply", entry.record.step) for entry in log if isinstance(entry.record, Reply)]
    return [f"{what} stands in the log {times} times" for what, times in Counter(found).items() if times > 1]
