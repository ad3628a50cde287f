"""ControlPanel: a player and its controls over a session, for a notebook or a page.

    panel = ControlPanel("clip.mp4")
    panel.start()             # or the button; returns at once
    panel

Everything that takes time runs on threads of its own, so the controls work while a run is going on, and also while
a cell is busy. A kernel has one panel: a new one takes over from the one before. `when_over` draws plots of a run when
it has ended.

Long because all that a page can ask for is done here.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import ipywidgets
from ipywidgets import Output, VBox

from commentator_lib.commentators.base import Commentator
from commentator_lib.notebook.commentators_tab import CommentatorsTab
from commentator_lib.notebook.one_panel import take_over
from commentator_lib.notebook.pacing_fields import (
    LABELS,
    PACING_SETTINGS,
    allowed_changes,
    pacing_fields,
    preset_values,
)
from commentator_lib.notebook.panel_page import PanelPage
from commentator_lib.notebook.reports import Report, error_line, fill_output
from commentator_lib.notebook.runs_tab import RunsTab
from commentator_lib.notebook.slow_work import SlowWork
from commentator_lib.notebook.sources_tab import SourcesTab
from commentator_lib.players.base import Player
from commentator_lib.players.page_sound import SOUND_TRAITS
from commentator_lib.runs.faults import lasting_failure
from commentator_lib.runs.meters import give_back_freed_memory
from commentator_lib.runs.provenance import new_run_id
from commentator_lib.session import LiveSession
from commentator_lib.settings import Settings, SettingsError, live_settings, load_settings, save_settings
from commentator_lib.voices.base import Voice
from commentator_lib.widget_messages import deliver_while_busy

_TAKE_OVER_S = 10.0


class ControlPanel(VBox):
    """A widget with a player and its controls.

    `source`, `settings`, `commentator`, `voice` and `duration_s` are as in LiveSession; a commentator given as an
    object replaces the choice of one. Runs are logged under `runs_dir` (None: in memory only). `camera` is an
    ipywebrtc MediaStream for "browser camera", for example one of a room's; by default the camera of the page.
    `page`: it is shown to people who may not name paths to write to, so settings are neither saved nor loaded.
    Each session that is started also gets the `players`, as they are then, and is given to each of `on_session`.

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
        page: bool = False,
        players: Sequence[Player] = (),
        on_session: Sequence[Callable[[LiveSession], None]] = (),
    ) -> None:
        self._before = take_over(self)
        self.player = PanelPage(self._act)
        self._settings = self._base = settings or load_settings()
        self._voice, self._duration_s, self._page = voice, duration_s, page
        self._players, self._on_session = players, on_session
        self._runs_dir = Path(runs_dir) if runs_dir is not None else None
        self._lock = threading.RLock()
        self._reports: list[tuple[Output, tuple[Report, ...]]] = []
        self._watcher: threading.Thread | None = None
        self._controls: dict[str, Any] = {"said": {"text": "", "wrong": False}}
        self._slow = SlowWork(self._try)
        self._scratch = tempfile.TemporaryDirectory(prefix="commentator-")
        uploads = (self._runs_dir or Path(self._scratch.name)) / "uploads"
        self._sources = SourcesTab(self.player, source, uploads, camera)
        self._commentators = CommentatorsTab(self.player, commentator, self._show_controls)
        self._runs = RunsTab(self.player, self._runs_dir, self.say)
        self.player.observe(
            lambda change: self._try(lambda: self.update(**{change["name"]: change["new"]})), SOUND_TRAITS
        )
        self._show()
        super().__init__([self.player])
        deliver_while_busy(self)
        self._slow.begin("stills", lambda: self._sources.check_own_clips(self._settings))
        self._slow.begin("states", lambda: self._commentators.ask_states(self._settings))
        self._slow.begin("runs", self._runs.show)

    # --- what the page shows

    def say(self, text: str, wrong: bool = False) -> None:
        """Show one line; `wrong`: a mistake or a fault, which stands on the picture and is announced at once."""
        if wrong or self.player.message_wrong:
            self.player.message, self.player.message_wrong = (text, True) if wrong else ("", False)
        self._show_controls(said={"text": text, "wrong": wrong})

    def _show_controls(self, **changes: Any) -> None:
        with self._lock:
            self._controls.update(changes)
            session = self.session
            self._controls.update(
                running=self.running,
                source=self._sources.shown_name,
                microphone=self._commentators.recogniser or "",
                whyNoAnswer=self._commentators.why_no_answer(
                    session if self.running else None, self._settings
                ),
            )
            self.player.controls = dict(self._controls)

    def _show(self) -> None:
        """Show the settings and all that hangs on them."""
        for name in SOUND_TRAITS:
            setattr(self.player, name, getattr(self._settings, name))
        self.player.pacing = pacing_fields(self._settings, self._base, not self._page)
        self._commentators.show(self._settings)
        self._show_controls()

    def _try(self, action: Callable[[], Any]) -> None:
        """Run an action of the page; show an error as one line."""
        try:
            action()
        except Exception as error:  # a click has no caller that could get the error
            self.say(error_line(error), wrong=True)

    def _act(self, action: str, arguments: dict[str, Any], data: bytes, page: str) -> None:
        """Do what a page asks for; what takes time is done on a thread of its own."""
        quick: dict[str, Callable[[], Any]] = {
            "stop": self.stop,
            "ask": lambda: self.ask(str(arguments["text"])),
            "instruct": lambda: self.instruct(str(arguments["text"])),
            "update": lambda: self.update(**allowed_changes(arguments)),
            "preset": lambda: self.choose_preset(str(arguments["name"])),
            "reset": self.reset,
            "commentator": lambda: self.choose_commentator(str(arguments["name"])),
            "key": lambda: self._take_key(str(arguments["key"])),
            "save": lambda: self.save(str(arguments["path"])),
            "load": lambda: self.load(str(arguments["path"])),
            "upload": lambda: self._sources.take_part(arguments, data, page, self._use_in_background),
        }
        slow: dict[str, Callable[[], Any]] = {
            "start": self.start,
            "source": lambda: self.use(str(arguments["name"])),
            "warm up": lambda: self._commentators.load(self._settings, self.say),
            "states": lambda: self._commentators.ask_states(self._settings),
            "runs": self._runs.show,
            "play": lambda: self._runs.play(str(arguments["run"]), page),
            "download": lambda: self._runs.download(str(arguments["run"]), str(arguments["what"]), page),
            "compare": lambda: self._runs.compare([str(name) for name in arguments["runs"]], page),
            "moment": lambda: self._runs.moment(
                self.session, float(arguments["at_s"]), str(arguments["words"]), page
            ),
            "speech": lambda: self.ask(self._commentators.recognise(data)),
        }
        if action in quick:
            self._try(quick[action])
        elif action in slow:
            if not self._slow.begin(action, slow[action]) and action != "start":
                self._show_controls(said={"text": "That is still being done.", "wrong": False})
        else:
            self.say(f"unknown action {action[:40]!r}", wrong=True)

    # --- a run

    @property
    def running(self) -> bool:
        """Whether a run is going on."""
        return self.session is not None and self.session.running

    @property
    def settings(self) -> Settings:
        """The settings of the present run, or of the next if there is none."""
        return self._settings

    @property
    def source(self) -> str:
        """The source of the present run, or of the next; without the secrets in its address."""
        return self._sources.shown_name

    @property
    def said(self) -> str:
        """What was said last: a mistake, a fault, or how far something is."""
        return str(self._controls["said"]["text"])

    def start(self) -> LiveSession:
        """Start a run with what the controls show; return at once. While one is going on, return its session.

        Raise what LiveSession raises.
        """
        with self._lock:
            if self.session is not None and self.session.running:
                return self.session
            if self._before is not None:  # both would want the same model and the same camera
                self._before.stop(_TAKE_OVER_S)
                self._before = None
            self.player.message, self.player.message_wrong = "Starting …", False
            self._show_controls(said={"text": "Starting …", "wrong": False})
            try:
                session = self._make_session()
                for told in self._on_session:
                    told(session)
            except BaseException as error:
                self._sources.close_camera()
                self.say(error_line(error) if isinstance(error, Exception) else "not started", wrong=True)
                raise
            self.player.card = ""
            self.session = session.start()
            self._show_controls()
            self._watcher = threading.Thread(target=self._watch, args=(session,), name="panel", daemon=True)
            self._watcher.start()
        return session

    def _make_session(self) -> LiveSession:
        source = self._sources.opened(self._sources.name, self._settings)
        folder = self._runs_dir / new_run_id() if self._runs_dir is not None else None
        return LiveSession(
            source,
            self._settings,
            voice=self._voice,
            players=[self.player, *self._players],
            duration_s=self._duration_s,
            run_dir=folder,
            **self._commentators.for_session(self._settings),
        )

    def _watch(self, session: LiveSession) -> None:
        """Wait until the run is over; then say how it ended, show its card and fill the outputs."""
        problem, begun, failure = "", False, ""
        try:
            while not session.wait(0.2):
                status = session.status
                if status.frames_shown and not begun:
                    begun = True
                    self.player.message = ""
                    self._show_controls(loading=None, said={"text": "Running.", "wrong": False})
                elif not begun and status.loading is not None:
                    self._commentators.tell_loading(status.loading)
                    self.player.message = f"Starting … {status.loading.words}"
                if begun and (now := lasting_failure(list(session.log.cycle_rows))) != failure:
                    failure = now
                    self.say(
                        f"Every comment so far failed: {failure}" if failure else "Running.",
                        wrong=bool(failure),
                    )
        except (
            Exception
        ) as error:  # the error that broke the run is shown to the user; no caller waits for this thread
            problem = error_line(error)
        problem = problem or session.log.problem or session.log.header.get("source_problem", "")
        if not problem and (failure := lasting_failure(list(session.log.cycle_rows))):
            problem = f"every comment failed, {failure}"
        where = f" Log: {session.log.folder}" if session.log.folder is not None and not self._page else ""
        self._sources.close_camera()
        self.player.message = ""
        self._show_controls(loading=None)
        self.say(f"Ended: {problem}.{where}" if problem else f"Ended.{where}", wrong=bool(problem))
        self._try(lambda: self._runs.keep(session))
        for output, reports in list(self._reports):
            fill_output(output, session, reports)
        give_back_freed_memory()  # what the card and the reports took

    def stop(self) -> None:
        """End the run; return at once. The page says when everything is written."""
        if self.session is not None and self.session.running:
            self.session.stop(0)
            self.say("Stopping …")

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until the run is over and reported. Return False when `timeout_s` passed first."""
        if self._watcher is None:
            raise RuntimeError("nothing was started")
        self._watcher.join(timeout_s)
        return not self._watcher.is_alive()

    # --- source, commentator, words

    def use(self, source: str) -> None:
        """Check a source and take it: a run that is going on goes over to it, else the next run starts with it.

        Raise SourceError where it cannot be played; then nothing changes.
        """
        name = self._sources.resolve(source)
        self.say("Opening the source …")
        checked = self._sources.check(name, self._settings)
        session = self.session
        if session is not None and session.running:
            session.set_source(self._sources.opened(name, self._settings))
            self.player.note_change("another source")
        self._sources.name = name
        self.say(f"{self._sources.shown_name}: {checked.words}.")

    def _use_in_background(self, path: str) -> None:
        self._slow.begin("source", lambda: self.use(path))

    def choose_commentator(self, name: str) -> None:
        """Take another commentator from the next start on."""
        self._settings = self._settings.changed(commentator=name)
        self._show()
        if self.running:
            self.say(f"{name} comments from the next start on")

    def _take_key(self, key: str) -> None:
        self._commentators.take_key(key)
        self._show()
        self._slow.begin("states", lambda: self._commentators.ask_states(self._settings))
        self.say("The key is kept in memory until the program ends." if key else "The key is forgotten.")

    def ask(self, text: str) -> int | None:
        """Ask a question about what is seen; the answer is a comment of its own. Return its number in the run.

        Raise SettingsError for no words, and where no run is going on.
        """
        if self.session is None or not self.session.running:
            raise SettingsError("no run is going on that could answer: start one first")
        return self.session.ask(text)

    def instruct(self, text: str) -> None:
        """Let the commentator watch for `text` from now on; "": for what its profile says."""
        words = text.strip()
        self._settings = self._settings.changed(instruction=words)
        self._update_session(instruction=words)
        self._show()

    # --- settings of the present run and of the next

    def update(self, **changes: Any) -> None:
        """Change settings. Raise SettingsError for bad ones."""
        self._refuse_other_server(changes.get("api_base_url"))
        changed = self._settings.changed(**changes)
        self._update_session(**{name: changes[name] for name in changes if name in live_settings()})
        self._settings = changed
        for name in changes.keys() - set(SOUND_TRAITS):
            self.player.note_change(f"{LABELS.get(name, name)}: {getattr(changed, name)}")
        self._show()

    def choose_preset(self, name: str) -> None:
        """Take the values of a preset, also in mid-run. Raise SettingsError for an unknown one."""
        load_settings(preset=name, environment={})
        values = preset_values(name)
        self._update_session(**values)
        self._settings = self._base = self._settings.changed(**values)
        self.player.note_change(name)
        self._show()

    def reset(self) -> None:
        """Give every setting of the pace the value that it had before it was changed here."""
        self.update(**{name: getattr(self._base, name) for name in PACING_SETTINGS})

    def _update_session(self, **changes: Any) -> None:
        if self.session is not None and self.session.running:
            self.session.update(**changes)

    def save(self, path: str = "commentator.toml") -> None:
        """Write the settings to a file."""
        self._refuse_paths()
        save_settings(self._settings, path)
        self.say(f"Saved to {path}")

    def load(self, path: str = "commentator.toml") -> None:
        """Read the settings from a file; the present run takes those that may change."""
        self._refuse_paths()
        loaded = load_settings(path)
        self._update_session(**{name: getattr(loaded, name) for name in live_settings()})
        self._settings = self._base = loaded
        self._show()
        self.say(f"Loaded {path}")

    def _refuse_paths(self) -> None:
        if self._page:
            raise SettingsError("this page neither saves settings nor loads them")

    def _refuse_other_server(self, address: str | None) -> None:
        """Raise SettingsError where a key would go to another server: who steers a run may not read its keys."""
        is_other = address not in (None, self._settings.api_base_url)
        if self._page and is_other and self._commentators.has_key():
            raise SettingsError(
                "a server's key is set, and another server would get it: forget it, or give the address at the start"
            )

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
        """Stop the run and remove the panel, with all its widgets, from all pages and from memory."""
        self.stop()
        self._sources.close_camera()
        for widget in (*(output for output, _ in self._reports), self.player, self):
            layout = getattr(widget, "layout", None)
            super().close() if widget is self else widget.close()
            if layout is not None:
                layout.close()
        self._reports = []
        # A session lives as long as its players, and this one's would lead back to the session.
        self.player.forget_panel()
        self._commentators.close()
        self._scratch.cleanup()
