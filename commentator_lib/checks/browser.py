"""The browser and JupyterLab, for the notebooks and for tests that drive a real page."""

from __future__ import annotations

import os
import shutil

from commentator_lib.checks.line import DISTRIBUTION, CheckLine

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


def find_browser() -> str | None:
    """Return the path of Chromium or Chrome, or None where there is none. The variable CHROMIUM names another."""
    names = (os.environ.get("CHROMIUM", ""), *_NAMES)
    return next((path for name in names if name and (path := shutil.which(name))), None)


def browser_line(path: str | None) -> CheckLine:
    """Return the line about the browser at `path`; None means that there is none."""
    if path:
        return CheckLine(True, "browser", path)
    return CheckLine(
        None,
        "browser",
        "no Chromium or Chrome",
        "only the browser tests need one: install Chromium, or set CHROMIUM",
    )


def jupyter_line(version: str | None) -> CheckLine:
    """Return the line about JupyterLab of this version; None means that it is not installed."""
    if version:
        return CheckLine(True, "JupyterLab", version)
    return CheckLine(None, "JupyterLab", "not installed", f"pip install '{DISTRIBUTION}[notebooks]'")
