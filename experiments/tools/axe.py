"""Judge a page's accessibility with axe-core, Deque's rules for WCAG, in a page that Playwright drives.

axe-core itself comes with the package axe-playwright-python; nothing is fetched.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Page

_SERIOUS = ("serious", "critical")
_RUN = "(selector) => axe.run(selector, { resultTypes: ['violations'] })"


def serious_findings(page: Page, selector: str = "body") -> list[str]:
    """Return a line for each serious or critical finding within `selector`: rule, what is wrong, where, and why.

    Raise ValueError where the page has nothing that `selector` matches.
    """
    if not page.locator(selector).count():
        raise ValueError(f"nothing to judge: the page has no {selector}")
    if not page.evaluate("typeof axe !== 'undefined'"):
        page.evaluate(_axe_core())
    found = page.evaluate(_RUN, selector)
    return [
        _line(rule, node)
        for rule in found["violations"]
        if rule["impact"] in _SERIOUS
        for node in rule["nodes"]
    ]


def _axe_core() -> str:
    import axe_playwright_python

    return (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")


def _line(rule: dict[str, Any], node: dict[str, Any]) -> str:
    where = " ".join(str(part) for part in node["target"])
    why = " ".join(node["failureSummary"].split())
    return f"{rule['impact']}: {rule['id']}: {rule['help']}: {where}: {node['html'][:120]}: {why}"
