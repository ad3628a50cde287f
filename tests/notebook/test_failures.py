"""What the panel says while every comment fails, and when one has come."""

from __future__ import annotations

import pytest

from commentator_lib.commentators.base import Commentator, CommentChunk
from commentator_lib.notebook.control_panel import ControlPanel
from commentator_lib.settings import load_settings


class Refused(Commentator):
    """Fails until `works`."""

    name = "refused"
    works = False

    def comment(self, request):
        if not self.works:
            raise RuntimeError("the server answered 401: invalid key")
        yield CommentChunk(f"Frame {request.frames[-1].index} is there.", output_tokens=3)


def wait_for(condition):
    import time

    until_s = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until_s
        time.sleep(0.05)


@pytest.mark.realtime
def test_a_failure_that_lasts_stands_on_the_picture_until_a_comment_comes():
    commentator = Refused()
    settings = load_settings(
        environment={},
        speech=False,
        change_threshold=0.0,
        inference_interval_s=0.5,
        delay_init_s=0.2,
        watchers=(),
    )
    panel = ControlPanel("synthetic:120", settings, commentator=commentator, runs_dir=None)
    try:
        panel.start()
        wait_for(lambda: "401: invalid key" in panel.player.message)
        assert panel.player.message.startswith("Every comment so far failed: ") and panel.player.message_wrong
        commentator.works = True
        wait_for(lambda: not panel.player.message_wrong)
        assert panel.player.message == ""
    finally:
        panel.stop()
        assert panel.wait(60)
        panel.close()


@pytest.mark.realtime
def test_a_run_whose_comments_all_failed_ends_with_the_reason():
    settings = load_settings(
        environment={},
        speech=False,
        change_threshold=0.0,
        inference_interval_s=0.5,
        delay_init_s=0.2,
        watchers=(),
    )
    panel = ControlPanel("synthetic:3", settings, commentator=Refused(), runs_dir=None)
    try:
        panel.start()
        assert panel.wait(60)
        assert "every comment failed" in panel.player.message and "401" in panel.player.message
    finally:
        panel.close()
