"""The card of a run: what it was in words, and one figure, as a single HTML file that needs no network.

    html = card_html(session.log)          # after the run
    html = card_html(load_run(folder))     # or from its folder
    write_report(folder)                   # → folder/report.html

What a model, a watcher or a user wrote is data: it is escaped, and the page's policy runs no script but the card's own.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

from commentator_lib.files import write_then_replace
from commentator_lib.runs.log import RunLog
from commentator_lib.runs.reader import SavedRun, load_run
from commentator_lib.runs.run_card_axes import clock
from commentator_lib.runs.run_card_data import CardData, Series, card_data, clean
from commentator_lib.runs.run_card_figure import WIDTHS_PX, figure_svg
from commentator_lib.runs.run_card_words import facts, headlines, small_print

REPORT_NAME = "report.html"
# So many comments are listed as text below the figure.
_LISTED = 200


def card_script_source() -> str:
    """Return the card's script as a content security policy names it; a page that frames cards must allow it."""
    digest = base64.b64encode(hashlib.sha256(_part("run_card.js").encode()).digest()).decode()
    return f"'sha256-{digest}'"


def card_html(run: SavedRun | RunLog) -> str:
    """Return a complete HTML document about a run, about 900 px wide and readable from 500 px on.

    `run` is read back from its folder, or the log of a session whose run has ended. The document is self-contained and
    of bounded size, however long the run was. It follows the system's light or dark theme. In a frame of the same
    origin it follows JupyterLab's around it, and makes the frame as high as itself where that has the attribute
    data-fit.
    """
    # 1) What it says, and what it draws.
    data = card_data(run)
    sentences = headlines(run, data)
    name = run.folder.resolve().name if run.folder is not None else "run"
    line = small_print(run, name if run.folder is not None else "kept in memory")
    summary = " ".join(sentences)
    drawings = [
        figure_svg(data, width, line, summary).replace('class="figure"', f'class="figure {kind}"', 1)
        for width, kind in zip(WIDTHS_PX, ("wide", "narrow"), strict=True)
    ]
    # 2) The page's parts.
    style, figure_style, script = (_part(n) for n in ("run_card.css", "run_card_figure.css", "run_card.js"))
    policy = (
        f"default-src 'none'; style-src 'unsafe-inline'; script-src {card_script_source()}; img-src data:"
    )
    first, *more = sentences
    body = [
        f"<h1>{escape(first)}</h1>",
        *(f'<p class="headline">{escape(sentence)}</p>' for sentence in more),
        f'<p class="print">{escape(line)}</p>',
        (
            '<div class="tools"><button id="save-svg" type="button">SVG</button>'
            '<button id="save-png" type="button">PNG (2×)</button>'
            "<span>Point at the figure, or focus it and use the arrow keys</span></div>"
        ),
        (
            '<div id="figure" tabindex="0" role="group" aria-label="Figure of the run: left and right move in time, '
            'up and down go from one comment, event or change to the next">'
        ),
        *drawings,
        '<div id="tip" role="status" aria-live="polite" hidden></div></div>',
        _listed("ul", [escape(fact) for fact in facts(run, data)]),
        _changes(data),
        _comments(data),
    ]
    # 3) The document.
    html = (
        "<!DOCTYPE html>\n"
        '<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(f'{name}: {first}')}</title>"
        f'<style>{style}</style><style id="figure-style">{figure_style}</style></head>\n'
        f"<body>{chr(10).join(part for part in body if part)}\n"
        f'<script type="application/json" id="card-data">{_json(_page_data(data, name, summary))}</script>\n'
        f"<script>{script}</script></body></html>\n"
    )
    return html.encode("utf-8", "replace").decode("utf-8")  # half of a surrogate pair is no text


def write_report(folder: Path) -> Path:
    """Write report.html into a run's folder and return its path.

    Raise RunLogError where the folder is no run's or damaged, and OSError where it cannot be written.
    """
    path = folder / REPORT_NAME
    write_then_replace(path, card_html(load_run(folder)))
    return path


@cache
def _part(name: str) -> str:
    """Return one of the files beside this one that a page is made of."""
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def _json(value: object) -> str:
    """Return JSON that cannot end the script element that holds it."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _page_data(data: CardData, name: str, summary: str) -> dict[str, Any]:
    """Return what the page's script needs to tell the values under its line."""

    def lane(
        words: str, unit: str, digits: int, series: Series, factor: float = 1.0, reach_s: float = 0.0
    ) -> dict:
        values = [round(float(v) * factor, digits) for v in series.values]
        at_s = [round(float(t), 3) for t in series.at_s]
        return dict(name=words, unit=unit, digits=digits, reach_s=reach_s, at_s=at_s, values=values)

    each_s = 1.5 * max(1.0, data.end_s / max(1, min(len(data.delay.at_s), len(data.memory.at_s) or 10**9)))
    return {
        "name": re.sub(r"[^A-Za-z0-9_.-]+", "-", name),
        "summary": summary,
        "end_s": data.end_s,
        "bars": [
            dict(from_s=round(b.from_s, 3), to_s=round(b.to_s, 3), outcome=b.outcome, words=b.words)
            for b in data.bars
        ],
        "failures": [dict(at_s=round(f.at_s, 3), words=f.words) for f in data.failures],
        "marks": [
            dict(at_s=round(m.at_s, 3), importance=m.importance, words=m.words, told=m.told)
            for m in data.marks
        ],
        "changes": [dict(at_s=round(c.at_s, 3), words=c.words) for c in data.changes],
        "series": [
            lane("picture delay", "s", 2, data.delay, reach_s=each_s),
            lane("wanted delay", "s", 2, data.wanted, reach_s=each_s),
            lane("comment after its picture", "ms", 0, data.error, 1000.0),
            lane("memory", "MB", 0, data.memory, 1e-6, each_s),
            lane("GPU memory", "GB", 1, data.gpu_memory, 1e-9, each_s),
        ],
    }


def _listed(tag: str, items: list[str]) -> str:
    """Return a list of items that are markup already; "" without any."""
    return f"<{tag}>{''.join(f'<li>{item}</li>' for item in items)}</{tag}>" if items else ""


def _timed(at_s: float, words: str) -> str:
    return f"<time>{clock(at_s)}</time> {escape(words)}"


def _changes(data: CardData) -> str:
    if not data.changes:
        return ""
    items = [_timed(change.at_s, change.words) for change in data.changes]
    if data.changed > len(items):
        items.append(f"and {data.changed - len(items)} more in changes.jsonl")
    return f"<details><summary>What was changed ({data.changed})</summary>{_listed('ol', items)}</details>"


def _comments(data: CardData) -> str:
    if not data.bars:
        return ""
    items = [_timed(bar.from_s, clean(bar.words)) for bar in data.bars[:_LISTED]]
    if len(data.bars) > len(items):
        items.append("and more; cycles.parquet has all of them")
    return f"<details><summary>What was said ({data.comments})</summary>{_listed('ol', items)}</details>"
