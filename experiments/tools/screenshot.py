"""Take the picture of the control panel: run the live demo notebook in JupyterLab and save a screenshot.

It is taken when a caption contains "animal", which the baseline commentator calls Big Buck Bunny: his film's licence
allows the picture to be shown. Look at the picture before you keep it.

    python -m experiments.screenshot docs/control_panel.png
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from experiments.tools.browser import ROOT, chromium, jupyter_lab, open_notebook, run_all
from experiments.tools.command_line import help_text, new_app, run_app

app = new_app()


@app.command(help=help_text(__doc__))
def main(
    out: Annotated[Path, typer.Argument(help="The picture to write.")] = ROOT / "docs" / "control_panel.png",
) -> None:
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
            page.screenshot(path=str(out))


if __name__ == "__main__":
    run_app(app, "screenshot")
