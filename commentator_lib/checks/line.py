"""One line of a check, and all lines as plain text."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

DISTRIBUTION = "commentator-lib"


@dataclass(frozen=True, slots=True)
class CheckLine:
    """One thing that was checked: `what` it is, and what was `found`.

    `ok` is True where it works, False where it does not and is needed, None where it does not and is not needed with
    these settings. `fix` says how to install or repair it.
    """

    ok: bool | None
    what: str
    found: str
    fix: str = ""


def format_lines(lines: Sequence[CheckLine], width: int = 110) -> str:
    """Return a table as plain text: ✓ works, ✗ does not, – not needed; what, found, and below it the fix."""
    column = max(len(line.what) for line in lines)
    indent = " " * (column + 4)
    text_width = max(40, width) - len(indent)
    rows = []
    for line in lines:
        sign = {True: "✓", False: "✗", None: "–"}[line.ok]
        texts = _wrapped(line.found, text_width) or [""]
        if line.fix:
            first, *rest = _wrapped(line.fix, text_width - 2)
            texts += [f"→ {first}", *(f"  {text}" for text in rest)]
        rows.append(f"{sign} {line.what:<{column}}  {texts[0]}".rstrip())
        rows += [indent + text for text in texts[1:]]
    return "\n".join(rows)


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, break_on_hyphens=False, break_long_words=False)


def state(works: bool, needed: bool) -> bool | None:
    """Return `CheckLine.ok` for something that works or not, and is needed or not."""
    return True if works else (False if needed else None)
