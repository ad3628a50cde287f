"""The desk: a player and its controls over a session, for a notebook or a page.

    desk = ControlPanel("clip.mp4")
    desk.start()             # or the button; returns at once
    desk

A cell that runs the commentary itself, the obvious way, holds the kernel, and no knob can be turned until it
ends. Here everything that takes time is on threads of its own, so that the knobs work while it runs, also
while a cell is busy. Plots of a run are drawn when it is over: `when_over`.
"""

from __future__ import annotations

import contextlib
import html
import io
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ipywidgets
from ipywidgets import HTML, Button, Checkbox, Combobox, Dropdown, HBox, Layout, Output, Text, VBox

from commentator_lib.commentators.base import Commentator, CommentatorError
from commentator_lib.players.browser import LivePlayer
from commentator_lib.profiles import PROFILES
from commentator_lib.runs.provenance import new_run_id
from commentator_lib.runs.record import RunLogError
from commentator_lib.session import LiveSession
from commentator_lib.settings import (
    COMMENTATORS,
    Settings,
    SettingsError,
    describe_range,
    load_settings,
    save_settings,
)
from commentator_lib.sources.base import Source, SourceError
from commentator_lib.sources.browser_camera import BrowserCamera
from commentator_lib.voices.base import Voice

BROWSER_CAMERA = "browser camera"
_SWITCH_S = 0.001
_ERRORS = (SourceError, SettingsError, CommentatorError, RunLogError)
# The knobs: setting, label, step.
_SLIDERS = (
    ("pause_s", "Pause, s", 0.1),
    ("speech_max_new_tokens", "Token cap", 1),
    ("frame_stride", "Frame stride", 1),
    ("change_threshold", "Change threshold", 0.5),
)


class ControlPanel(VBox):
    """`source`, `settings`, `commentator`, `voice` and `duration_s` are as in LiveSession; a commentator given
    as an object replaces the choice of one. Runs are logged under `runs_dir` (None: in memory only).
    `camera` is an ipywebrtc MediaStream for "browser camera", for example one of a room's; by default the
    camera of the page.

    `session` is the session that is running, or the last one; None before the first start.
    """

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
        self.session: LiveSession | None = None
        self.player = LivePlayer()
        self._settings = settings or load_settings()
        self._commentator, self._voice = commentator, voice
        self._duration_s = duration_s
        self._runs_dir = Path(runs_dir) if runs_dir is not None else None
        self._camera_stream = camera
        self._camera: BrowserCamera | None = None
        self._own_stream: ipywidgets.DOMWidget | None = None
        self._lock = threading.Lock()
        self._reports: list[tuple[Output, tuple[Callable[[LiveSession], Any], ...]]] = []
        self._reflecting = False
        self._watcher: threading.Thread | None = None
        super().__init__([self.player, *self._controls(source)])
        self._reflect()

    # --- what it looks like

    def _controls(self, source: str) -> list[ipywidgets.Widget]:
        wide = {"description_width": "9em"}
        self._source = Combobox(
            value=source,
            options=["demo", BROWSER_CAMERA],
            ensure_option=False,
            description="Source",
            placeholder="clip, URL, device",
            style=wide,
            layout=Layout(width="26em"),
            tooltip="a clip's path, a URL, a camera such as /dev/video0, demo, or browser camera",
        )
        names = [self._commentator.name] if self._commentator else list(COMMENTATORS)
        value = names[0] if self._commentator else self._settings.commentator
        self._who = Dropdown(options=names, value=value, description="Commentator", style=wide)
        self._start = Button(description="Start", button_style="primary", tooltip="start a run")
        self._stop = Button(description="Stop", tooltip="end the run; everything is written", disabled=True)
        self._profile = Dropdown(
            options=[(p.label, name) for name, p in PROFILES.items()], description="Profile", style=wide
        )
        self._question = Text(
            description="Instruction",
            style=wide,
            layout=Layout(width="36em"),
            continuous_update=False,
            placeholder="what to watch for, or a question; empty: the profile's own",
        )
        self._ask = Button(description="Ask now", tooltip="a comment on this starts at once")
        self._sliders = {name: _slider(name, label, step, wide) for name, label, step in _SLIDERS}
        self._policy = Dropdown(options=["playout", "serial"], description="Pacing", style=wide)
        self._speech = Checkbox(description="Speech", indent=False, layout=Layout(width="8em"))
        self._file = Text("commentator.toml", description="Settings file", style=wide)
        self._save, self._load = Button(description="Save"), Button(description="Load")
        self._message = HTML()
        for button, action in (
            (self._start, self._start_pressed),
            (self._stop, self.stop),
            (self._ask, self.ask),
            (self._save, self.save),
            (self._load, self.load),
        ):
            button.on_click(lambda _button, action=action: self._try(action))
        self._question.observe(lambda _change: self._try(self.ask), "value")
        knobs = {**self._sliders, "profile": self._profile, "policy": self._policy, "speech": self._speech}
        for name, control in knobs.items():
            control.observe(
                lambda change, name=name: self._try(lambda: self.update(**{name: change["new"]})), "value"
            )
        self._who.observe(lambda _change: self._try(self._choose_commentator), "value")
        self._knobs = knobs
        sliders = list(self._sliders.values())
        return [
            HBox([self._source, self._who, self._start, self._stop], layout=Layout(flex_flow="row wrap")),
            HBox([self._profile, self._question, self._ask], layout=Layout(flex_flow="row wrap")),
            HBox([*sliders, self._policy, self._speech], layout=Layout(flex_flow="row wrap")),
            HBox([self._file, self._save, self._load], layout=Layout(flex_flow="row wrap")),
            self._message,
        ]

    def _reflect(self) -> None:
        """Let the controls show the settings."""
        self._reflecting = True
        try:
            for name, control in self._knobs.items():
                control.value = getattr(self.settings, name)
            self._question.value = self.settings.instruction
            if self._commentator is None:
                self._who.value = self.settings.commentator
        finally:
            self._reflecting = False

    def say(self, text: str, wrong: bool = False) -> None:
        """One line below the controls; `wrong` for a mistake or a fault, which is announced."""
        role = "alert" if wrong else "status"
        colour = "color: var(--jp-error-color0, #b71c1c)" if wrong else ""
        self._message.value = f'<span role="{role}" style="{colour}">{html.escape(text)}</span>'

    def _try(self, action: Callable[[], Any]) -> None:
        """Do what a control asks for; a mistake becomes a line."""
        if self._reflecting:
            return
        try:
            action()
        except Exception as error:  # a click has no caller who could be told
            self.say(_in_words(error), wrong=True)

    # --- what it does

    @property
    def running(self) -> bool:
        return self.session is not None and self.session.running

    @property
    def settings(self) -> Settings:
        """Those of the run that is going on; else those of the next."""
        return self._settings

    def start(self) -> LiveSession:
        """Start a run of what the controls say and return at once. Raises what LiveSession raises."""
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
            # A click passes through five threads, and at each of them a cell that computes keeps the interpreter
            # for the switch interval, 5 ms by default.
            sys.setswitchinterval(min(sys.getswitchinterval(), _SWITCH_S))
            self.session = session.start()
            self._start.disabled, self._stop.disabled = True, False
            self._watcher = threading.Thread(target=self._watch, args=(session,), name="desk", daemon=True)
            self._watcher.start()
        return session

    def _start_pressed(self) -> None:
        """A stream may take seconds to open, and the thread that took the click must not wait for it."""
        self._start.disabled = True

        def work() -> None:
            self._try(self.start)
            self._start.disabled = self.running

        threading.Thread(target=work, name="desk start", daemon=True).start()

    def _make_session(self) -> LiveSession:
        source: str | Source = self._source.value.strip()
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
        self._camera = BrowserCamera(stream)
        return self._camera.source()

    def _release_camera(self) -> None:
        """The camera's light goes off with the run, unless the stream was given by the user."""
        for widget in (self._camera, self._own_stream):
            if widget is not None:
                widget.close()
        self._camera = self._own_stream = None

    def _watch(self, session: LiveSession) -> None:
        """Until the run is over; then say how it ended, and draw what is to be drawn."""
        problem, shown = "", False
        try:
            while not session.wait(0.2):
                if not shown and session.status.frames_shown:
                    shown = True
                    self.say("Running.")
        except Exception as error:  # whatever broke the run is shown, not raised into a thread
            problem = _in_words(error)
        problem = problem or session.log.problem or session.log.header.get("source_problem", "")
        where = f" Log: {session.log.folder}" if session.log.folder is not None else ""
        self.say(f"Ended: {problem}.{where}" if problem else f"Ended.{where}", wrong=bool(problem))
        self.player.message = problem
        self._release_camera()
        self._start.disabled, self._stop.disabled = False, True
        for output, functions in list(self._reports):
            self._report(session, output, functions)

    def stop(self) -> None:
        """End the run. Returns at once; the last line says when everything is written."""
        if self.running:
            self.session.stop(0)
            self.say("Stopping …")

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until the run is over and reported; False when `timeout_s` passed first."""
        if self._watcher is None:
            raise RuntimeError("nothing was started")
        self._watcher.join(timeout_s)
        return not self._watcher.is_alive()

    def ask(self, text: str | None = None) -> None:
        """Let it watch for this, or answer it, now; empty text: the profile's own instruction."""
        if text is not None:
            self._question.value = text
        words = self._question.value.strip()
        self._settings = self._settings.changed(instruction=words)
        if self.running:
            self.session.update(instruction=words)

    def update(self, **changes: Any) -> None:
        """Change settings, of the run that is going on and of the next. SettingsError for bad ones."""
        changed = self._settings.changed(**changes)
        if self.running:
            self.session.update(**changes)
        self._settings = changed
        self._reflect()

    def _choose_commentator(self) -> None:
        if self._commentator is None:
            self._settings = self._settings.changed(commentator=self._who.value)
            if self.running:
                self.say(f"{self._who.value} comments from the next start on")

    def save(self) -> None:
        """Write the settings to the file named in the control."""
        save_settings(self._settings, self._file.value)
        self.say(f"Saved to {self._file.value}")

    def load(self) -> None:
        """Read the settings from that file; a run that is going on takes what can be changed in it."""
        loaded = load_settings(self._file.value)
        if self.running:
            self.session.update(**{name: getattr(loaded, name) for name in (*self._knobs, "instruction")})
        self._settings = loaded
        self._reflect()
        self.say(f"Loaded {self._file.value}")

    # --- what is drawn when a run is over

    def when_over(self, *functions: Callable[[LiveSession], Any]) -> Output:
        """An output that is filled with what `functions` make of the session (figures, tables, text) each time
        a run ends; at once, if one has ended already."""
        output = Output()
        self._reports.append((output, functions))
        if self.session is not None and not self.running:
            self._report(self.session, output, functions)
        return output

    def _report(
        self, session: LiveSession, output: Output, functions: tuple[Callable[[LiveSession], Any], ...]
    ) -> None:
        output.outputs = ()
        for function in functions:
            try:
                output.append_display_data(_shown(function(session)))
            except Exception as error:  # a plot of the user's own; the others are still drawn
                output.append_stderr(f"{function.__name__}: {_in_words(error)}\n")

    def close(self) -> None:
        with contextlib.suppress(AttributeError):  # a desk that failed to be made
            self.stop()
        super().close()


def _in_words(error: Exception) -> str:
    """Our own errors say all in their line; others need their name."""
    return str(error) if isinstance(error, _ERRORS) else f"{type(error).__name__}: {error}"


def _slider(name: str, label: str, step: float, style: dict[str, str]) -> ipywidgets.Widget:
    """A slider with the setting's own range."""
    field = Settings.model_fields[name]
    low = next(m.ge for m in field.metadata if hasattr(m, "ge"))
    high = next(m.le for m in field.metadata if hasattr(m, "le"))
    kind = ipywidgets.IntSlider if field.annotation is int else ipywidgets.FloatSlider
    return kind(
        value=field.default,
        min=low,
        max=high,
        step=step,
        description=label,
        style=style,
        continuous_update=False,
        tooltip=f"{field.description}; {describe_range(name)}",
    )


def _shown(thing: Any) -> Any:
    """A figure as a picture; everything else as it shows itself."""
    from matplotlib.figure import Figure

    if not isinstance(thing, Figure):
        return thing
    from IPython.display import Image

    data = io.BytesIO()
    thing.savefig(data, format="png", dpi=100)
    title = thing.get_suptitle() or "plot"
    return Image(data=data.getvalue(), format="png", alt=title)
