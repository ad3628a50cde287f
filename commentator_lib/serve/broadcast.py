"""Broadcast: the one panel of a server, whose run all viewers see, and what the routes need beside it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from commentator_lib.notebook.control_panel import ControlPanel
from commentator_lib.notebook.source_cards import BROWSER_CAMERAS
from commentator_lib.players.base import Player
from commentator_lib.players.page_sound import SOUND_TRAITS
from commentator_lib.serve.feed import Feed
from commentator_lib.serve.hls import HlsOutput
from commentator_lib.serve.limits import MOST_VIEWERS, Places
from commentator_lib.serve.publish import Publisher, Target
from commentator_lib.serve.widget_hub import WidgetHub
from commentator_lib.session import LiveSession
from commentator_lib.settings import Settings


def _is_camera(state: dict[str, Any]) -> bool:
    """Return whether a widget's state is that of a page's camera."""
    return "_esm" in state and "stream" in state


def _asks_for_camera(content: dict[str, Any]) -> bool:
    """Return whether a page's message chooses its own camera: no other viewer is asked for theirs."""
    arguments = content.get("arguments")
    name = arguments.get("name") if isinstance(arguments, dict) else None
    return content.get("action") == "source" and isinstance(name, str) and name.strip() in BROWSER_CAMERAS


class Broadcast:
    """One panel, its session and its viewers.

    `source`, `settings`, `duration_s` and `runs_dir` are as in ControlPanel. Each session that is started also has the
    `extra_players`, and is given to each of `on_session` before it starts; both lists may be added to at any time.
    `places` are those for viewers of any kind, `hub` has the viewers of the page. `feed` is what streams give of the
    run, `hls` its segments, and `publisher` what sends it to others, if anything. `close` ends the run.
    """

    def __init__(
        self,
        source: str = "demo",
        settings: Settings | None = None,
        *,
        runs_dir: Path | str | None = "runs",
        duration_s: float | None = None,
        most_viewers: int = MOST_VIEWERS,
        **panel: Any,
    ) -> None:
        self.feed = Feed()
        self.hls = HlsOutput(self.feed, lambda: self.running)
        self.publisher: Publisher | None = None
        self.extra_players: list[Player] = [self.feed]
        self.on_session: list[Callable[[LiveSession], None]] = []
        self.places = Places(most_viewers)
        self.hub = WidgetHub(SOUND_TRAITS, is_private=_is_camera, claims=_asks_for_camera)
        self.runs_dir = Path(runs_dir) if runs_dir is not None else None
        self._closing = threading.Lock()
        self._is_closed = False
        self._ending = contextlib.ExitStack()
        self._ending.enter_context(self.hub.installed())
        try:
            self.panel = ControlPanel(
                source,
                settings,
                duration_s=duration_s,
                runs_dir=runs_dir,
                page=True,
                players=self.extra_players,
                on_session=self.on_session,
                **panel,
            )
        except BaseException:
            self._ending.close()
            raise
        self.panel.player.frames_under_way = None  # the hub holds back the pictures of each viewer
        self.hub.root = self.panel.player.model_id

    @property
    def session(self) -> LiveSession | None:
        """The session that is running, or the last one; None before the first start."""
        return self.panel.session

    @property
    def running(self) -> bool:
        """Whether a run is going on."""
        return self.panel.running

    @property
    def settings(self) -> Settings:
        """The settings of the present run, or of the next if there is none."""
        return self.panel.settings

    def publish(self, targets: Sequence[Target]) -> None:
        """Send what is shown to these targets from now on, over all runs."""
        self.publisher = Publisher(self.feed, targets)

    def stop(self, timeout_s: float) -> bool:
        """End the run and wait until it is written and reported; False when `timeout_s` passed first."""
        self.panel.stop()
        return self.session is None or self.panel.wait(timeout_s)

    def close(self, timeout_s: float = 10.0) -> bool:
        """End the run, wait until it is written, and remove the panel; False when `timeout_s` passed first."""
        with self._closing:
            if self._is_closed:
                return True
            self._is_closed = True
        self.feed.close()  # the streams end while the run is written
        try:
            return self.stop(timeout_s)
        finally:
            self.hls.close()
            if self.publisher is not None:
                self.publisher.close()
            self.panel.close()
            self._ending.close()

    def __enter__(self) -> Broadcast:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()
