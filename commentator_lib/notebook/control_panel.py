"""ControlPanel: a player and its controls over a session, for a notebook or a page.

    panel = ControlPanel("clip.mp4")
    panel.start()             # or the button; returns at once
    panel

Everything that takes time runs on threads of its own, so the controls work while a run is going on, and also while
a cell is busy. `when_over` draws plots of a run when it has ended.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ipywidgets
from ipywidgets import Output, VBox

from commentator_lib.commentators.base import Commentator
from commentator_lib.notebook.controls import BROWSER_CAMERA, Controls
from commentator_lib.notebook.reports import Report, error_line, fill_output
from commentator_lib.players.browser import LivePlayer
from commentator_lib.runs.provenance import new_run_id
from commentator_lib.session import LiveSession
from commentator_lib.settings import (
    COMMENTATORS,
    Settings,
    SettingsError,
    live_settings,
    load_settings,
    save_settings,
)
from commentator_lib.sources.base import Source, SourceError
from commentator_lib.sources.browser_camera import BrowserCamera
from commentator_lib.voices.base import Voice
from commentator_lib.widget_messages import deliver_while_busy


class ControlPanel(VBox):
    """A widget with a player and its controls.

    `source`, `settings`, `commentator`, `voice` and `duration_s` are as in LiveSession; a commentator given as an
    object replaces the choice of one. Runs are logged under `runs_dir` (None: in memory only). `camera` is an
    ipywebrtc MediaStream for "browser camera", for example one of a room's; by default the camera of the page.

    `session` is the session that is running, or the last one; None before the first start.
    """

    session: LiveSession | None = None

    def __init__(
        self,
        source: str = "demo",
        settings: Settings | None = None,
        *,
        commentator: Commentator | None = None,
        voice: Voice | None = None,
        duration_s: float | None = None,
        runs_dir: Path | str | None = "runs",
        camera: ipywidgets.DOMWidget | None = None,
    ) -> None:
        self.player = LivePlayer()
        self._settings = settings or load_settings()
        self._commentator, self._voice = commentator, voice
        self._duration_s = duration_s
        self._runs_dir = Path(runs_dir) if runs_dir is not None else None
        self._camera_stream = camera
        self._camera: BrowserCamera | None = None
        self._own_stream: ipywidgets.DOMWidget | None = None
        self._lock = threading.Lock()
        self._reports: list[tuple[Output, tuple[Report, ...]]] = []
        self._watcher: threading.Thread | None = None
        names = dict.fromkeys((*COMMENTATORS, self._settings.commentator))
        self._controls = Controls(source, [commentator.name] if commentator is not None else list(names))
        self._connect_controls()
        self._controls.show(self._settings)
        super().__init__([self.player, *self._controls.rows])
        deliver_while_busy(self)

    def _connect_controls(self) -> None:
        """Connect each control with what it does."""
        controls = self._controls
        for button, action in (
            (controls.start, self._start_in_background),
            (controls.stop, self.stop),
            (controls.ask, self.ask),
            (controls.save, self.save),
            (controls.load, self.load),
        ):
            button.on_click(lambda _button, action=action: self._try(action))
        controls.instruction.observe(lambda _change: self._try(self.ask), "value")
        for name, control in controls.of_settings.items():
            control.observe(
                lambda change, name=name: self._try(lambda: self.update(**{name: change["new"]})), "value"
            )
        controls.commentator.observe(lambda _change: self._try(self._choose_commentator), "value")

    def _try(self, action: Callable[[], Any]) -> None:
        """Run the action of a control; show an error as one line."""
        if self._controls.showing:
            return
        try:
            action()
        except Exception as error:  # a click has no caller that could get the error
            self.say(error_line(error), wrong=True)

    def say(self, text: str, wrong: bool = False) -> None:
        """Show one line below the controls; `wrong`: a mistake or a fault, which is announced at once."""
        self._controls.say(text, wrong)

    # --- a run

    @property
    def running(self) -> bool:
        """Whether a run is going on."""
        return self.session is not None and self.session.running

    @property
    def settings(self) -> Settings:
        """The settings of the present run, or of the next if there is none."""
        return self._settings

    def start(self) -> LiveSession:
        """Start a run with what the controls show; return at once. Raise what LiveSession raises."""
        with self._lock:
            if self.running:
                raise SettingsError("a run is going on: stop it first")
            self.say("Starting …")
            self.player.message = "Starting …"
            try:
                session = self._make_session()
            except BaseException:
                self.player.message = ""
                self._release_camera()
                raise
            self.session = session.start()
            self._controls.start.disabled, self._controls.stop.disabled = True, False
            self._watcher = threading.Thread(target=self._watch, args=(session,), name="panel", daemon=True)
            self._watcher.start()
        return session

    def _start_in_background(self) -> None:
        """Start on a thread of its own, since a stream may take seconds to open and a click must not wait for it."""
        self._controls.start.disabled = True

        def work() -> None:
            self._try(self.start)
            self._controls.start.disabled = self.running

        threading.Thread(target=work, name="panel start", daemon=True).start()

    def _make_session(self) -> LiveSession:
        source: str | Source = self._controls.source.value.strip()
        if not source:
            raise SourceError("no source: name a clip, a URL or a camera")
        if source == BROWSER_CAMERA:
            source = self._open_camera()
        folder = self._runs_dir / new_run_id() if self._runs_dir is not None else None
        return LiveSession(
            source,
            self._settings,
            commentator=self._commentator,
            voice=self._voice,
            players=[self.player],
            duration_s=self._duration_s,
            run_dir=folder,
        )

    def _open_camera(self) -> Source:
        stream = self._camera_stream
        if stream is None:
            from ipywebrtc import CameraStream

            wanted = {"width": {"ideal": 640}, "height": {"ideal": 360}, "frameRate": {"ideal": 30}}
            stream = self._own_stream = CameraStream(constraints={"audio": False, "video": wanted})
            deliver_while_busy(stream)
        self._camera = BrowserCamera(stream)
        return self._camera.source()

    def _release_camera(self) -> None:
        """Switch the camera off, unless the user gave the stream."""
        for widget in (self._camera, self._own_stream):
            if widget is not None:
                widget.close()
        self._camera = self._own_stream = None

    def _watch(self, session: LiveSession) -> None:
        """Wait until the run is over; then say how it ended and fill the outputs."""
        problem, shown = "", False
        try:
            while not session.wait(0.2):
                if not shown and session.status.frames_shown:
                    shown = True
                    self.say("Running.")
        except (
            Exception
        ) as error:  # the error that broke the run is shown to the user; no caller waits for this thread
            problem = error_line(error)
        problem = problem or session.log.problem or session.log.header.get("source_problem", "")
        where = f" Log: {session.log.folder}" if session.log.folder is not None else ""
        self.say(f"Ended: {problem}.{where}" if problem else f"Ended.{where}", wrong=bool(problem))
        self.player.message = problem
        self._release_camera()
        self._controls.start.disabled, self._controls.stop.disabled = False, True
        for output, reports in list(self._reports):
            fill_output(output, session, reports)

    def stop(self) -> None:
        """End the run; return at once. The line below the controls says when everything is written."""
        if self.session is not None and self.session.running:
            self.session.stop(0)
            self.say("Stopping …")

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until the run is over and reported. Return False when `timeout_s` passed first."""
        if self._watcher is None:
            raise RuntimeError("nothing was started")
        self._watcher.join(timeout_s)
        return not self._watcher.is_alive()

    # --- settings of the present run and of the next

    def ask(self, text: str | None = None) -> None:
        """Let the commentator watch for `text`, or answer it, now; without text, follow the profile's instruction."""
        if text is not None:
            self._controls.instruction.value = text
        words = self._controls.instruction.value.strip()
        self._settings = self._settings.changed(instruction=words)
        self._update_session(instruction=words)

    def update(self, **changes: Any) -> None:
        """Change settings. Raise SettingsError for bad ones."""
        changed = self._settings.changed(**changes)
        self._update_session(**changes)
        self._settings = changed
        self._controls.show(changed)

    def _update_session(self, **changes: Any) -> None:
        if self.session is not None and self.session.running:
            self.session.update(**changes)

    def _choose_commentator(self) -> None:
        if self._commentator is None:
            name = self._controls.commentator.value
            self._settings = self._settings.changed(commentator=name)
            if self.running:
                self.say(f"{name} comments from the next start on")

    def save(self) -> None:
        """Write the settings to the file named in the control."""
        save_settings(self._settings, self._controls.file.value)
        self.say(f"Saved to {self._controls.file.value}")

    def load(self) -> None:
        """Read the settings from the file named in the control; the present run takes those that may change."""
        loaded = load_settings(self._controls.file.value)
        self._update_session(**{name: getattr(loaded, name) for name in live_settings()})
        self._settings = loaded
        self._controls.show(loaded)
        self.say(f"Loaded {self._controls.file.value}")

    # --- reports of a run that has ended

    def when_over(self, *reports: Report) -> Output:
        """Return an output that shows what `reports` return for the session (figures, tables, text).

        It is filled each time a run ends, and at once if one has ended already.
        """
        output = Output()
        self._reports.append((output, reports))
        if self.session is not None and not self.running:
            fill_output(output, self.session, reports)
        return output

    def close(self) -> None:
        """Stop the run and remove the panel from all pages."""
        self.stop()
        super().close()
