"""A comparison as a page, as Markdown and as pictures: the verdict first, then figures, charts and pairs."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.resources import files
from typing import TYPE_CHECKING

from satchel.evals import chart
from satchel.evals.bill import waterfall
from satchel.evals.distortion import chart as distortion
from satchel.evals.distortion import lines as by_limit
from satchel.evals.ledger import badges, fronts, headline, ratios, slices, table
from satchel.evals.pairs import PAIRS, WHOLE
from satchel.evals.sides import HEAD, LISTED, TAIL, rows, visible
from satchel.evals.trade import trade
from satchel.memory.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    import jinja2

    from satchel.evals.compare import Result
    from satchel.memory.records import Json

SCHEMA = "satchel.compare/3"
"""The version of result.json."""

LATER: Mapping[str, Json] = {"curves": {}, "determinism": None}
"""Fields that earlier documents of this version lack."""

PAIRS_SCHEMA = "satchel.pairs/1"
"""The version of pairs.json."""

JUNIT = "junit.xml"
"""The file of a report folder that tells what a gate said."""

MARKS = re.compile(r"[|\[\]`]")
"""What would end a cell of Markdown, or begin a link, a picture or code."""

SCALE = 2
"""Pixels of a picture for each unit of the drawing."""


def write_report(result: Result | Mapping[str, Json], out: Path, *, pairs: Sequence[Json] | None = None) -> None:
    """Write `result.json`, `report.html` and `report.md` into the folder `out`, which is made if need be.

    `pairs` are those with prompts, kept in `pairs.json`; without them what stands there is shown again.
    """
    data = result if isinstance(result, Mapping) else result.to_json()
    prepare(out)
    if pairs is None:
        pairs = read_pairs(out)
    texts = {
        "result.json": _dump(data),
        PAIRS: json.dumps({"schema": PAIRS_SCHEMA, "pairs": pairs}, ensure_ascii=False) + "\n",
        "report.html": render_html(data, pairs),
        "report.md": render_markdown(data),
    }
    for name, text in texts.items():
        (out / name).write_text(text, encoding="utf-8", errors="backslashreplace")


def _dump(data: Mapping[str, Json]) -> str:
    return json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def read_pairs(folder: Path) -> Sequence[Json]:
    """The pairs with prompts of a report folder; none if there is no file of ours, since they can be made again."""
    try:
        found: Json = json.loads((folder / PAIRS).read_text(encoding="utf-8"))
        return list(found["pairs"]) if found["schema"] == PAIRS_SCHEMA else []
    except (OSError, ValueError, KeyError, TypeError):
        return []


def read_result(folder: Path) -> dict[str, Json]:
    """The `result.json` of a report folder. Raises `ConfigError` if there is none of ours."""
    return read_document(folder / "result.json")


def read_document(path: Path) -> dict[str, Json]:
    """A result by its file. Raises `ConfigError` if it is none of ours."""
    try:
        data: dict[str, Json] = json.loads(path.read_text(encoding="utf-8"))
        schema = data["schema"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        why = getattr(error, "strerror", None) or error
        raise ConfigError(f"{path} is not a result of compare or eval ({why}); name their --out folder") from None
    if schema != SCHEMA:
        raise ConfigError(f"{path} has the schema {schema!r}, not {SCHEMA!r}; run the comparison again")
    return {**LATER, **data}


def prepare(out: Path) -> None:
    """Make the folder of a report; `ConfigError` if it cannot be written to."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / "result.json").touch()
    except OSError as error:
        raise ConfigError(f"the report cannot be written into {out} ({error.strerror}); name another folder") from None


def render_html(data: Mapping[str, Json], pairs: Sequence[Json] = ()) -> str:
    """The page: one self-contained file, which loads nothing and runs nothing."""
    style = _style()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    limits = {"head": HEAD, "tail": TAIL, "listed": LISTED, "whole": WHOLE}
    return _environment().get_template("report.html.jinja").render(
        **_view(data), style=style, digest=digest, charts=charts(data), size=_size(),
        pairs=rows(data, pairs), limits=limits,
    )  # fmt: skip


def render_markdown(data: Mapping[str, Json]) -> str:
    """The same figures as Markdown."""
    return _environment().get_template("report.md.jinja").render(**_view(data))


def charts(data: Mapping[str, Json]) -> dict[str, list[chart.Chart]]:
    """The charts by section: success against dollars and by context limit, parts, prompts, dollars so far."""
    found, traded, curved = waterfall(data), trade(data), distortion(data)
    return {
        "trade": [traded] if traded else [],
        "limits": [curved] if curved else [],
        "saving": [chart.bars(found, data["prices"][0])] if found else [],
        "prompts": [*chart.panels(data["trials"], list(data["modes"]))],
        "dollars": [*chart.curves(data)],
    }


def write_pictures(data: Mapping[str, Json], out: Path) -> list[Path]:
    """Each chart as a PNG in the folder `out`. Raises `ConfigError` without the extra `plots`."""
    try:
        resvg = import_module("resvg_py")
    except ModuleNotFoundError:
        raise ConfigError("pictures need the extra `plots`: pip install 'satchel[plots]'") from None
    template = _environment().get_template("picture.svg.jinja")
    paths = []
    for section, every in charts(data).items():
        for number, one in enumerate(every, 1):
            svg = template.render(chart=one, size=_size(), style=_plain_style(), modes=list(data["modes"]))
            paths.append(out / f"{section}-{number}.png")
            paths[-1].write_bytes(bytes(resvg.svg_to_bytes(svg_string=svg, width=SCALE * chart.WIDTH)))
    return paths


def rewrite(data: Mapping[str, Json], path: Path) -> None:
    """Rewrite the table of a comparison in a Markdown file; its rows keep their names and order.

    It stands between `<!-- table: satchel compare SUITE -->` and `<!-- /table -->`. Raises `ConfigError` if there is no
    such table, or one with a row that there is not.
    """
    text = path.read_text(encoding="utf-8")
    mark = re.escape(f"<!-- table: satchel compare {data['suite']} -->")
    block = re.search(rf"{mark}\n(.*?)<!-- /table -->", text, re.DOTALL)
    if block is None:
        raise ConfigError(f"{path} has no table of satchel compare {data['suite']}")
    made = {line.name: line.cells for line in table(data)}
    old = [line.strip("|").split("|")[0].strip() for line in block[1].splitlines()]
    if unknown := [name for name in old[2:] if name not in made]:
        raise ConfigError(f"{path} names rows that there are not: {', '.join(unknown)}")
    lines = [
        f"| {' | '.join([old[0], *data['modes']])} |",
        f"|---|{'---:|' * len(data['modes'])}",
        *(f"| {' | '.join([name, *made[name]])} |" for name in old[2:]),
    ]
    path.write_text(text[: block.start(1)] + "\n".join(lines) + "\n" + text[block.end(1) :], encoding="utf-8")


def _style() -> str:
    return (files("satchel.evals") / "templates" / "report.css").read_text(encoding="utf-8")


def _plain_style() -> str:
    """The rules of drawings alone, in the light colours, for a reader of SVG that knows no variables."""
    style = _style()
    colours = dict(re.findall(r"(--[\w-]+): ([^;]+);", style.partition("@media")[0]))
    rules = "\n".join(line for line in style.splitlines() if line.startswith("svg ."))
    return re.sub(r"var\((--[\w-]+)\)", lambda match: colours[match[1]], rules)


def _size() -> dict[str, int]:
    right = chart.WIDTH - chart.RIGHT
    return {"width": chart.WIDTH, "left": chart.LEFT, "right": right, "top": chart.TOP, "bar": chart.BAR}


def _environment() -> jinja2.Environment:
    import jinja2  # noqa: PLC0415 - 60 ms that only a report needs

    made = jinja2.Environment(
        loader=jinja2.PackageLoader("satchel.evals", "templates"),
        autoescape=jinja2.select_autoescape(("html.jinja", "svg.jinja")),
        finalize=lambda value: visible(value) if type(value) is str else value,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters["cell"] = lambda text: MARKS.sub(r"\\\g<0>", " ".join(text.split())).replace("<", "&lt;")
    return made


def _view(data: Mapping[str, Json]) -> dict[str, Json]:
    modes, others = list(data["modes"]), list(data["comparisons"])
    return {
        "data": data,
        "seeds": len(data["seeds"]),
        "modes": modes,
        "badges": badges(data),
        "others": others,
        "headline": headline(data),
        "table": table(data),
        "ratios": ratios(data),
        "slices": slices(data),
        "by_limit": by_limit(data),
        "fronts": fronts(data),
        "saving": waterfall(data),
        "notes": [data["comparisons"][mode]["verdict"]["text"] for mode in others[1:]],
    }
