"""Models that record live calls and play them again: the same requests give the same answers, without a key.

A *scope* is one trial: its calls stand in their order, so that a prompt that trials share has an answer in each.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Literal

from satchel.evals.tape import NAME, VERSION, Tape, blanked, difference, digest, parts
from satchel.memory.errors import BudgetExceeded, CassetteError, ConfigError, ModelBusy, ModelError, PromptTooLong
from satchel.memory.records import Usage
from satchel.runtime.budget import SAFETY
from satchel.runtime.context import tokens
from satchel.runtime.context.message import ToolCall
from satchel.runtime.models import Answer, Model
from satchel.runtime.prices import bill, most
from satchel.runtime.prices_known import SIMULATED, look_up

if TYPE_CHECKING:
    from pathlib import Path

    from satchel.memory.records import Json
    from satchel.runtime.context.message import Message

Kind = Literal["simulated", "replayed", "live"]
"""Where answers come from: scripted policies, a recording, or a model that was called."""


def begin(model: Model | None, scope: str) -> None:
    """Tell a model which trial begins, if it wants to know."""
    if model is not None and hasattr(model, "begin"):
        model.begin(scope)


def kind(model: Model | None) -> Kind:
    """What a comparison with this model is."""
    if isinstance(model, Player):
        return "replayed"
    return "simulated" if model is None or model.name.startswith(SIMULATED) else "live"


class Capped:
    """A model that is called no more once a call could take the dollars of all calls above a cap.

    Each call is reserved at the most it can cost. Raises `ConfigError` for a model without a price in dollars, and
    `BudgetExceeded` instead of the call that could go above the cap.
    """

    def __init__(self, model: Model, usd: float) -> None:
        self.name, self.window, self.exact = model.name, model.window, model.exact
        price = look_up(model.name)
        if price is None or price.unit != "usd":
            raise ConfigError(f"a cap in dollars needs a price for {model.name!r}, and there is none; leave it out")
        self._model, self._price, self._cap = model, price, usd
        self.spent = 0.0

    async def call(self, messages: Sequence[Message], tools: Sequence[Json], *, reply_tokens: int) -> Answer:
        """The model's own answer."""
        size = sum(map(tokens.count_message, messages)) + tokens.count_tools(tools)
        worst = most(self._price, int(size * (1.0 if self.exact else SAFETY)), reply_tokens) or 0.0
        if self.spent + worst > self._cap:
            raise BudgetExceeded(
                f"${self.spent:.4f} of the cap of ${self._cap:.2f} are spent and the next call can cost ${worst:.4f};"
                " raise --usd-cap and run the same command again: with --out it goes on"
            )
        self.spent += worst
        answer = await self._model.call(messages, tools, reply_tokens=reply_tokens)
        if answer.usage is not None:
            self.spent += (bill(answer.usage, self._price) or 0.0) - worst
        return answer


class Recorder:
    """A model whose calls are written to a cassette in a folder, after those that it holds."""

    def __init__(self, model: Model, folder: Path) -> None:
        self.name, self.window, self.exact = model.name, model.window, model.exact
        self._model, self._scope = model, ""
        self._tape = _open(folder, model)

    def begin(self, scope: str) -> None:
        """The next calls are those of this scope; what was recorded of it before no longer counts."""
        self._scope = scope
        self._tape.write({"scope": scope})

    async def call(self, messages: Sequence[Message], tools: Sequence[Json], *, reply_tokens: int) -> Answer:
        """The model's own answer, recorded; an error of the model is recorded, too."""
        request = parts(messages, tools)
        try:
            answer = await self._model.call(messages, tools, reply_tokens=reply_tokens)
        except ModelError as error:
            self._tape.add(self._scope, request, reply_tokens, {"error": _error(error)})
            raise
        self._tape.add(self._scope, request, reply_tokens, {"answer": blanked(asdict(answer))})
        return answer


def _open(folder: Path, model: Model) -> Tape:
    """The cassette of a folder for more calls of this model; a new one if there is none."""
    path = folder / NAME
    head = {"cassette": VERSION, "model": model.name, "window": model.window, "exact": model.exact}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.touch()
            tape = Tape(path, head)
            tape.write(head)
            return tape
        tape = Tape.load(folder)
        whole = path.read_bytes().rpartition(b"\n")
        with path.open("r+b") as file:  # what a crash cut short
            file.truncate(len(whole[0]) + len(whole[1]))
    except OSError as error:
        raise ConfigError(f"nothing can be recorded into {folder} ({error.strerror}); name another folder") from None
    if tape.model["model"] != model.name:
        raise ConfigError(f"{path} holds calls of {tape.model['model']}, not of {model.name}; name another folder")
    return tape


class Player:
    """The recorded answers, each for its request alone; a request that was not recorded raises `CassetteError`."""

    def __init__(self, folder: Path) -> None:
        self._tape = Tape.load(folder)
        self.name = str(self._tape.model["model"])
        self.window = int(self._tape.model.get("window") or 0)
        self.exact = bool(self._tape.model.get("exact"))
        self._scope, self._played = "", 0

    def begin(self, scope: str) -> None:
        """The next calls are those of this scope, from its first on."""
        if scope not in self._tape.scopes:
            held = ", ".join(list(self._tape.scopes)[:5]) or "none"
            raise CassetteError(
                f"{self._tape.path} holds no trial {scope!r}; it holds {held}. Take the suite, modes and seeds of the"
                " recording, or record anew"
            )
        self._scope, self._played = scope, 0

    async def call(self, messages: Sequence[Message], tools: Sequence[Json], *, reply_tokens: int) -> Answer:
        """The answer that was given to this request."""
        request = parts(messages, tools)
        left = self._tape.scopes.get(self._scope, [])[self._played :]
        if not left:
            raise CassetteError(
                f"{self._tape.path}, {self._scope!r}: {self._played} calls are recorded and one more was made;"
                " record anew"
            )
        taken = left[0]
        if taken.request != tuple(map(digest, request)) or taken.reply_tokens != reply_tokens:
            recorded = [self._tape.parts[name] for name in taken.request]
            raise CassetteError(
                f"{self._tape.path}, {self._scope!r}, call {self._played}: not the recorded request:"
                f" {difference(recorded, request)}. What makes prompts has changed: record anew"
            )
        self._played += 1
        if "error" in taken.outcome:
            raise _raised(taken.outcome["error"])
        return _answer(taken.outcome.get("answer") or {}, self._tape.path)


_ERRORS = {error.__name__: error for error in (ModelError, ModelBusy, PromptTooLong)}
_FIELDS = ("after", "billed", "sent", "limit")


def _error(error: ModelError) -> dict[str, Json]:
    fields = {name: getattr(error, name) for name in _FIELDS if hasattr(error, name)}
    return {"type": type(error).__name__, "message": blanked(str(error)), **fields}


def _raised(raw: Json) -> ModelError:
    """The recorded error; nobody waits for a provider that is not asked."""
    fields = {name: value for name, value in raw.items() if name in _FIELDS}
    if "after" in fields:
        fields["after"] = 0.0
    return _ERRORS.get(raw["type"], ModelError)(raw["message"], **fields)


def _answer(raw: Json, path: Path) -> Answer:
    def calls() -> Iterator[ToolCall]:
        for call in raw.get("calls") or ():
            yield ToolCall(call["id"], call["name"], call["args"])

    try:
        usage = Usage(**raw["usage"]) if raw.get("usage") else None
        return Answer(raw["text"], tuple(calls()), usage, raw.get("opaque"), raw.get("predicted"))
    except (KeyError, TypeError) as error:
        raise CassetteError(f"{path} holds an answer that is none ({error}); record it again") from None
