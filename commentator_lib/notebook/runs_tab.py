"""The panel's tabs "Runs" and "Events": earlier runs as films, captions, logs and side by side; moments of a run."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from commentator_lib.jpeg import decode_jpeg, encode_jpeg
from commentator_lib.notebook.earlier_runs import (
    STILL,
    compare_runs,
    list_runs,
    make_captions,
    make_film,
    make_log_archive,
    make_moment,
    run_folder,
)
from commentator_lib.notebook.panel_page import PanelPage
from commentator_lib.notebook.source_cards import still_url
from commentator_lib.runs.record import RunLogError
from commentator_lib.runs.run_card import card_html, write_report
from commentator_lib.session import LiveSession

# A moment is seen from so many seconds before an event until so many after it.
MOMENT_BEFORE_S, MOMENT_AFTER_S = 3.0, 6.0
# A film that is larger is not sent to a page through the kernel.
_MOST_SENT_BYTES = 300_000_000


class RunsTab:
    """Lists the runs under `runs_dir` and makes what a page asks for. `say` shows a line."""

    def __init__(self, page: PanelPage, runs_dir: Path | None, say: Callable[[str], None]) -> None:
        self._page, self._runs_dir, self._say = page, runs_dir, say

    def show(self) -> None:
        """Let the page show the runs of before."""
        if self._runs_dir is not None:
            self._page.earlier_runs = list_runs(self._runs_dir, _saved_still)

    def keep(self, session: LiveSession) -> None:
        """Show the card of a run that has ended; keep its last picture and its report in its folder."""
        self._page.card = card_html(session.log)
        if (folder := session.log.folder) is not None and folder.is_dir():
            if (image := self._page.last_image) is not None:
                (folder / STILL).write_bytes(encode_jpeg(image, 75))
            write_report(folder)
        self.show()

    def _folder(self, name: str) -> Path:
        if self._runs_dir is None:
            raise RunLogError("runs are not kept here: the panel was made with runs_dir=None")
        return run_folder(self._runs_dir, name)

    def play(self, name: str, page: str) -> None:
        """Send the film of a run to a page, to be seen."""
        self._send(page, "run", self._film(name), f"{name}.mp4", name)

    def _film(self, name: str) -> Path:
        def tell(done_s: float, total_s: float) -> None:
            if done_s - said[0] >= 5:
                said[0] = done_s
                self._say(f"Making the film: {done_s:.0f} of {total_s:.0f} s …")

        said = [0.0]
        self._say("Making the film …")
        film = make_film(self._folder(name), tell)
        self._say("")
        return film

    def download(self, name: str, what: str, page: str) -> None:
        """Send a file of a run to a page, to be saved: its video, captions or log."""
        folder = self._folder(name)
        if what == "video":
            self._send(page, "download", self._film(name), f"{name}.mp4", "")
            return
        with tempfile.TemporaryDirectory() as scratch:
            if what == "captions":
                self._send(
                    page,
                    "download",
                    make_captions(folder, Path(scratch) / "c.zip"),
                    f"{name}-captions.zip",
                    "",
                )
            elif what == "log":
                self._send(
                    page, "download", make_log_archive(folder, Path(scratch) / "l.zip"), f"{name}.zip", ""
                )
            else:
                raise RunLogError(f"a run has no {what[:40]!r}")

    def compare(self, names: list[str], page: str) -> None:
        """Send a page the numbers of two runs side by side."""
        first, second = (self._folder(name) for name in names)
        self._page.send({"kind": "compared", "page": page, **compare_runs(first, second)})

    def moment(self, session: LiveSession | None, at_s: float, words: str, page: str) -> None:
        """Send a page the film of the moment at `at_s`, in seconds since the start of the last run."""
        folder = session.log.folder if session is not None else None
        if folder is None:
            raise RunLogError("this run is not kept (runs_dir=None), so no moment of it can be seen again")
        from_s, to_s = at_s - MOMENT_BEFORE_S, at_s + MOMENT_AFTER_S
        with tempfile.TemporaryDirectory() as scratch:
            film = make_moment(folder, Path(scratch) / "moment.mp4", from_s, to_s)
            self._send(page, "moment", film, "moment.mp4", words)

    def _send(self, page: str, what: str, path: Path, name: str, words: str) -> None:
        if path.stat().st_size > _MOST_SENT_BYTES:
            raise RunLogError(f"the film is larger than 300 MB: it lies in {path}")
        self._page.send_file(page, what, path, name, words)


def _saved_still(folder: Path) -> str:
    """Return the picture that was kept of a run, as a data URL; "" where there is none."""
    path = folder / STILL
    image = decode_jpeg(path.read_bytes()) if path.is_file() and path.stat().st_size < 4_000_000 else None
    return "" if image is None else still_url(image, 160)
