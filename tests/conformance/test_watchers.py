"""The library's own watchers pass the tests of every watcher."""

from __future__ import annotations

import pytest

from commentator_lib.conformance import WatcherConformance
from commentator_lib.settings import Settings
from commentator_lib.watching.factory import make_watchers


def made(name):
    (watcher,) = make_watchers(Settings(watchers=(name,)))
    return watcher


@pytest.mark.slow
class TestGraphics(WatcherConformance):
    def make(self):
        return made("graphics")


class TestShots(WatcherConformance):
    def make(self):
        return made("shots")


class TestMotion(WatcherConformance):
    def make(self):
        return made("motion")


class TestSound(WatcherConformance):
    def make(self):
        return made("sound")
