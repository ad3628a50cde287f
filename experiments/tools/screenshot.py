"""Take the picture of the control panel: run the live demo notebook in JupyterLab and save a screenshot.

It is taken when a caption contains "animal", which the baseline commentator calls Big Buck Bunny: his film's licence
allows the picture to be shown. Look at the picture before you keep it.

    python -m experiments.screenshot docs/control_panel.png
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from experiments.tools.browser import ROOT, chromium, jupyter_lab, open_notebook, run_all


def main(path: Path) -> None:
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "notebooks").mkdir()
        shutil.copy(ROOT / "notebooks" / "01_live_demo.ipynb", folder / "notebooks")
        with sync_playwright() as playwright, chromium(playwright) as browser, jupyter_lab(folder) as server:
            page = browser.new_page(viewport={"width": 1280, "height": 1180})
            open_notebook(page, server, "notebooks/01_live_demo.ipynb")
            page.keyboard.press("Control+b")  # hide the file browser
            run_all(page)
            page.locator(".live-player .lines li").nth(4).wait_for(timeout=60_000)
            page.locator(".live-player").evaluate("(e) => e.scrollIntoView()")
            page.locator(".live-player .caption:has-text('animal')").wait_for(timeout=60_000)
            page.wait_for_timeout(500)
            page.screenshot(path=str(path))


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/control_panel.png"))
