"""The player in Firefox: its picture moves, and its captions come."""

from __future__ import annotations

import os

import pytest

from experiments.tools.browser import write_notebook
from experiments.tools.firefox import find_firefox, firefox
from tests.notebook.page.conftest import TALKING, until

_IDLE = """window.jupyterapp?.shell?.currentWidget?.sessionContext?.isReady
    && window.jupyterapp.shell.currentWidget.sessionContext.session?.kernel?.status === 'idle'"""


@pytest.mark.skipif(find_firefox() is None, reason="Firefox or PulseAudio is not installed")
def test_picture_moves_and_captions_come_in_firefox(lab):
    folder = lab.folder / f"firefox-{os.getpid()}"
    folder.mkdir()
    write_notebook(folder / "t.ipynb", [TALKING])
    with firefox() as page:
        page.goto(lab.url(f"{folder.name}/t.ipynb"))
        page.wait_for_function(_IDLE)
        page.evaluate("window.jupyterapp.commands.execute('notebook:run-all-cells')")
        page.wait_for_selector(".live-player .stage")
        drawn = "Number(document.querySelector('.live-player').dataset.drawn)"
        page.wait_for_function(f"{drawn} > 25")
        page.wait_for_function("document.querySelector('.live-player .caption').textContent.trim() !== ''")
        page.wait_for_function("document.querySelectorAll('.live-player .lines li').length >= 2")
        # The canvas shows the clip's own red.
        red = page.evaluate(
            """(() => { const canvas = document.querySelector('.live-player .stage canvas');
                const [r, g, b] = canvas.getContext('2d').getImageData(2, 2, 1, 1).data;
                return r > 120 && g < 80 && b < 80; })()"""
        )
        assert red
        before = page.evaluate(drawn)
        until(lambda: page.evaluate(drawn) > before + 10, "the picture moves")
        assert page.errors == []
