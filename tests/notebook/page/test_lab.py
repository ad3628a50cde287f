"""`make lab` in a fresh clone: no questions at the start, the panel in sight, back after a reload, git left clean."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from experiments.tools.browser import ROOT, open_notebook, run_all, serving
from tests.notebook.page.conftest import drawn, paged, save_notebook, until

PICTURE = ".live-player canvas, .live-player video"
# How much of the picture's height can be seen in the notebook, from 0 to 1.
IN_SIGHT = """(selector) => {
    const box = document.querySelector(selector)?.getBoundingClientRect();
    const seen = document.querySelector('.jp-WindowedPanel-outer').getBoundingClientRect();
    return box?.height ? (Math.min(seen.bottom, box.bottom) - Math.max(seen.top, box.top)) / box.height : 0; }"""


def git(folder, *arguments):
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def clone(tmp_path):
    """Return a fresh clone of the last commit."""
    if not (ROOT / ".git").exists() or shutil.which("make") is None:
        pytest.skip("needs a checkout and make")
    git(tmp_path, "clone", "--quiet", "--no-hardlinks", str(ROOT), "clone")
    return tmp_path / "clone"


@contextlib.contextmanager
def make_lab(clone):
    """Run `make lab` with the packages that are installed already; yield the server."""
    environment = Path(sys.executable).parents[1]

    def command(port, token):
        options = f"--no-browser --port={port} --ServerApp.port_retries=0 --IdentityProvider.token={token}"
        options += " --LabApp.expose_app_in_browser=True --KernelManager.shutdown_wait_time=1"
        packages = [f"VENV={environment}", "--assume-old", f"{environment}/.notebooks"]
        return ["make", "lab", *packages, f"LAB_OPTIONS={options}"]

    with serving(clone, command) as server:
        yield server


def test_a_run_in_a_fresh_clone_asks_nothing_shows_the_panel_and_leaves_git_clean(clone, browser):
    with make_lab(clone) as server, paged(browser) as page:
        # 1) Nothing asks before or beside the notebook.
        page.set_viewport_size({"width": 1280, "height": 800})
        open_notebook(page, server, "01_live_demo.ipynb")
        run_all(page)
        # 2) After Run All the picture is in sight, without scrolling.
        until(lambda: drawn(page) > 30, "the picture")
        until(lambda: page.evaluate(IN_SIGHT, PICTURE) > 0.99, "the whole picture in the window")
        assert page.locator(".jp-Dialog, .Toastify__toast").count() == 0
        # 3) Nobody saves, the page is loaded again: the panel is there and shows the same run.
        page.wait_for_function("!jupyterapp.shell.currentWidget.context.model.dirty")  # saved by itself
        page.reload()
        until(lambda: drawn(page) > 30, "the picture after a reload")
        assert len(list((clone / "runs").iterdir())) == 1
        # 4) What was saved has outputs on disk, and for git is what it was.
        save_notebook(page)
        until(lambda: git(clone, "status", "--porcelain") == "", "git to find nothing changed")
        # 5) An edit is one for git as before.
        page.evaluate(
            "jupyterapp.shell.currentWidget.content.model.cells.get(0).sharedModel.setSource('edited')"
        )
        save_notebook(page)
        until(lambda: git(clone, "status", "--porcelain") != "", "git to find the edit")
        changed = git(clone, "diff", "--unified=0", "--", "notebooks/01_live_demo.ipynb")
        assert "edited" in changed and "output_type" not in changed and "execution_count" not in changed
        assert page.errors == []
    assert '"output_type"' in (clone / "notebooks" / "01_live_demo.ipynb").read_text()
    assert "nbstripout" in git(clone, "config", "--local", "filter.nbstripout.clean")


def test_a_folder_that_is_no_checkout_needs_no_git(tmp_path):
    """The same target, asked only for its commands, and its git part run outside of any checkout."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    environment = {**os.environ, "GIT_CEILING_DIRECTORIES": str(tmp_path.parent)}
    for name in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS"):  # this test may itself be run by make
        environment.pop(name, None)
    (tmp_path / "jupyter").mkdir()
    fake = tmp_path / "bin"
    fake.mkdir()
    (fake / "jupyter").write_text('#!/bin/sh\necho "started $JUPYTER_CONFIG_PATH $*"\n')
    (fake / "jupyter").chmod(0o755)
    done = subprocess.run(
        ["make", "lab", f"VENV={tmp_path}", "--assume-old", f"{tmp_path}/.notebooks"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert f"started {tmp_path}/notebooks/.jupyter" in done.stdout and done.stdout.rstrip().endswith(
        "01_live_demo.ipynb"
    )
