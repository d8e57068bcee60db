"""What a run of somebody else's graph has spent, as its state keeps it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from satchel.memory.records import Call, Record, Usage
from satchel.runtime.budget import Spent

if TYPE_CHECKING:
    from satchel.memory.records import Json


@dataclass(frozen=True, slots=True)
class Ledger:
    """Spending of a run, the limits that refused calls of the newest reply by their ids, and what made its prompt.

    `setting` and `texts` (how many a conversation numbers) let a process that did not make the prompt resolve its
    handles.
    """

    spent: Spent = field(default_factory=Spent)
    refused: Mapping[str, str] = field(default_factory=dict)
    setting: Mapping[str, Json] = field(default_factory=dict)
    texts: int = 0

    @classmethod
    def of(cls, raw: Any, failed: int = 0) -> Ledger:
        """The ledger that `to_json` wrote; `failed` model calls since then gave no reply."""
        raw = raw or {}
        usage = Usage(**raw.get("usage", {})) + Usage(model_calls=failed)
        spent = Spent(usage, raw.get("steps", 0), raw.get("per_tool", {}))
        return cls(spent, raw.get("refused", {}), raw.get("setting", {}), raw.get("texts", 0))

    def replied(self, usage: Usage, records: Iterable[Record]) -> Ledger:
        """After a reply with these calls, admitted or refused."""
        spent = self.spent.replied(usage, 0.0)
        calls = [record for record in records if isinstance(record, Call)]
        for call in calls:
            if not call.refused:
                spent = spent.called(call.name, 0.0)
        refused = {call.id: call.refused for call in calls if call.refused}
        return Ledger(spent, refused, self.setting, self.texts)

    def to_json(self) -> dict[str, Json]:
        """The ledger as a graph's state keeps it."""
        return {
            "usage": asdict(self.spent.usage), "steps": self.spent.steps, "per_tool": dict(self.spent.per_tool),
            "refused": dict(self.refused), "setting": dict(self.setting), "texts": self.texts,
        }  # fmt: skip
