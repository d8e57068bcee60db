"""Gates: an expression over figures that must not hold, such as `success_drop > 0.02 or usd_increase > 0.05`.

    expression   comparisons joined by `and`, `or`, `not` and parentheses
    comparison   value < value, also <=, >, >=, ==, !=, and chains of them
    value        a number, or a figure's name, or `slice("tag").name` for the trials that carry a tag

Python's own parser reads it, and nothing is ever evaluated but these shapes.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from xml.etree import ElementTree as ET

from satchel.evals.figures import AGAINST_EARLIER, NAMES, Readings
from satchel.memory.errors import ConfigError

LONGEST = 2_000
"""Characters of an expression."""

COMPARE: Mapping[type[ast.cmpop], Callable[[float, float], bool]] = {
    ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge,
    ast.Eq: operator.eq, ast.NotEq: operator.ne,
}  # fmt: skip

UNPRINTED = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 has no way to write (section 2.2)."""


class Unknown(Exception):
    """A figure that is not known, by its name: nothing can be said about a clause that asks for it."""


@dataclass(frozen=True, slots=True)
class Check:
    """One clause of a gate: what it says, whether the gate fails by it, and the figures it read, in words."""

    clause: str
    failed: bool
    why: str


@dataclass(slots=True)
class Gate:
    """An expression that was parsed. Raises `ConfigError` for anything but names, numbers and comparisons.

    `earlier` says whether there is a baseline to hold the result against.
    """

    text: str
    earlier: bool = False
    clauses: list[ast.expr] = field(default_factory=list)

    def __post_init__(self) -> None:
        if len(self.text) > LONGEST:
            raise ConfigError(f"--fail-if has {len(self.text)} characters; {LONGEST} are enough")
        try:
            tree = ast.parse(self.text.strip(), mode="eval").body
        except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
            raise ConfigError(f"--fail-if {self.text!r:.200} cannot be read: {getattr(error, 'msg', error)}") from None
        self.clauses = tree.values if isinstance(tree, ast.BoolOp) and isinstance(tree.op, ast.Or) else [tree]
        for clause in self.clauses:
            self._check(clause)

    def _check(self, node: ast.expr) -> None:
        match node:
            case ast.BoolOp(values=parts):
                for part in parts:
                    self._check(part)
            case ast.UnaryOp(op=ast.Not(), operand=part):
                self._check(part)
            case ast.Compare(left=left, ops=ops, comparators=rest) if all(type(op) in COMPARE for op in ops):
                for value in (left, *rest):
                    self._name(_value(value))
            case _:
                raise ConfigError(
                    f"--fail-if: {ast.unparse(node)!r:.200} is no comparison, such as usd_increase > 0.05"
                )

    def _name(self, value: float | tuple[str, str | None]) -> None:
        if isinstance(value, float):
            return
        name = value[0]
        if name not in NAMES:
            near = get_close_matches(name, NAMES, 1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise ConfigError(f"--fail-if: there is no figure {name!r}; {hint}there are: {', '.join(NAMES)}")
        if name in AGAINST_EARLIER and not self.earlier:
            raise ConfigError(f"--fail-if: {name} compares with an earlier result; name one with --baseline FILE")

    def check(self, readings: Readings) -> list[Check]:
        """Each clause, read from a result. What cannot be decided fails: a gate passes only what is known to hold."""
        checks = []
        for clause in self.clauses:
            seen: dict[str, float] = {}
            try:
                failed = _holds(clause, readings, seen)
                why = ", ".join(f"{name} is {value:.4g}" for name, value in seen.items())
            except Unknown as error:
                failed, why = True, f"{error} is unknown"
            checks.append(Check(ast.unparse(clause), failed, why))
        return checks


def _value(node: ast.expr) -> float | tuple[str, str | None]:
    """A number, or the name of a figure with its tag or None."""
    match node:
        case ast.Constant(value=bool()):
            pass
        case ast.Constant(value=int() | float() as number):
            return float(number)
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)):
            return -float(number)
        case ast.Name(id=name):
            return name, None
        case ast.Attribute(
            attr=name, value=ast.Call(func=ast.Name(id="slice"), args=[ast.Constant(value=str() as tag)], keywords=[])
        ):
            return name, tag
    raise ConfigError(f'--fail-if: {ast.unparse(node)!r:.200} is no number, no figure and no slice("tag").figure')


def _holds(node: ast.expr, readings: Readings, seen: dict[str, float]) -> bool:
    match node:
        case ast.BoolOp(op=op, values=parts):
            each = (_holds(part, readings, seen) for part in parts)
            return all(each) if isinstance(op, ast.And) else any(each)
        case ast.UnaryOp(operand=part):
            return not _holds(part, readings, seen)
        case ast.Compare(left=left, ops=ops, comparators=rest):
            values = [_read(value, readings, seen) for value in (left, *rest)]
            return all(COMPARE[type(op)](a, b) for op, a, b in zip(ops, values, values[1:], strict=False))
    raise AssertionError(ast.dump(node))  # `Gate` let it pass


def _read(node: ast.expr, readings: Readings, seen: dict[str, float]) -> float:
    value = _value(node)
    if isinstance(value, float):
        return value
    found = readings.read(*value)
    if found is None:
        raise Unknown(ast.unparse(node))
    seen[ast.unparse(node)] = rounded = float(f"{found:.9g}")  # 1 - 0.98 is 0.02, not more
    return rounded


def junit(checks: list[Check], suite: str) -> bytes:
    """The checks as a JUnit document: a test case for each clause."""
    failures = sum(check.failed for check in checks)
    counts = {"tests": str(len(checks)), "failures": str(failures)}
    root = ET.Element("testsuites", counts)
    group = ET.SubElement(root, "testsuite", {"name": _clean(f"satchel compare {suite}"), **counts})
    for check in checks:
        case = ET.SubElement(group, "testcase", {"classname": _clean(suite), "name": _clean(f"not ({check.clause})")})
        if check.failed:
            ET.SubElement(case, "failure", {"message": _clean(check.why)}).text = _clean(check.clause)
    document: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return document


def _clean(text: str) -> str:
    return UNPRINTED.sub("?", text)
