"""The browser of benchmarks and screenshots, where there is none."""

from __future__ import annotations

import pytest

from experiments.errors import UserError
from experiments.tools.browser import chromium


def test_no_chromium_is_one_line(monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CHROMIUM", raising=False)
    with (
        pytest.raises(UserError, match="Chromium is not installed; set CHROMIUM to its path"),
        chromium(None),
    ):
        pass
