"""The panel's tab "Source": checks what is chosen, keeps secrets of addresses, takes files, opens the page's camera."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import ipywidgets

from commentator_lib.notebook.panel_page import PanelPage
from commentator_lib.notebook.source_cards import (
    BROWSER_CAMERA_WITH_SOUND,
    BROWSER_CAMERAS,
    CheckedSource,
    check_source,
    source_cards,
    source_named,
    upload_name,
)
from commentator_lib.redact import redact_url
from commentator_lib.settings import Settings
from commentator_lib.sources.base import Source, SourceError
from commentator_lib.sources.browser_camera import BrowserCamera
from commentator_lib.widget_messages import deliver_while_busy

# A file that a page sends is not larger.
_MOST_UPLOAD_BYTES = 4_000_000_000
_CAMERA = {"width": {"ideal": 640}, "height": {"ideal": 360}, "frameRate": {"ideal": 30}}


class SourcesTab:
    """What the tab shows, and what was chosen in it.

    `name` is the source that the next run takes, with the secrets in its address; the page sees `shown_name`. `camera`
    is an ipywebrtc MediaStream that is used instead of the page's own camera. Files are put into `uploads`.
    """

    def __init__(
        self, page: PanelPage, name: str, uploads: Path, camera: ipywidgets.DOMWidget | None
    ) -> None:
        self._page, self._uploads, self._given_stream = page, uploads, camera
        self.name = name
        self._cards = source_cards()
        self._own: tuple[BrowserCamera, ipywidgets.DOMWidget] | None = None
        self._parts: dict[str, Path] = {}
        self.show()

    @property
    def shown_name(self) -> str:
        """The chosen source, without secrets."""
        return redact_url(self.name)

    def show(self) -> None:
        """Let the page show the cards."""
        self._page.source_cards = [dict(card) for card in self._cards]

    def resolve(self, typed: str) -> str:
        """Return the source that the page means: a name without secrets that it was shown stands for the whole one."""
        typed = typed.strip()
        return self.name if typed == self.shown_name else typed

    def check(self, name: str, settings: Settings) -> CheckedSource:
        """Check a source and show on its card what was found. Raise SourceError for one that cannot be played."""
        if not name:
            raise SourceError("no source: name a clip, a URL or a camera")
        if name in BROWSER_CAMERAS:
            return CheckedSource("asked for when the run starts")
        checked = check_source(name, settings)
        for card in self._cards:
            if card["kind"] == self._kind_of(name):
                card |= {"still": checked.still, "found": checked.words}
        self.show()
        return checked

    def check_own_clips(self, settings: Settings) -> None:
        """Put stills on the cards of the clips that come with the package."""
        for name in ("demo", "match"):
            self.check(name, settings)

    def _kind_of(self, name: str) -> str:
        if name in ("demo", "match", "screen"):
            return name
        return "camera" if name.startswith("/dev/") else "url" if "://" in name else "file"

    def opened(self, name: str, settings: Settings) -> str | Source:
        """Return what a session takes for a source; the page's camera is opened for it."""
        if not name:
            raise SourceError("no source: name a clip, a URL or a camera")
        if name not in BROWSER_CAMERAS:
            return source_named(name)
        self.close_camera()
        microphone = name == BROWSER_CAMERA_WITH_SOUND
        stream = self._given_stream
        if stream is None:
            from ipywebrtc import CameraStream

            stream = CameraStream(constraints={"audio": microphone, "video": _CAMERA})
            deliver_while_busy(stream)
        camera = BrowserCamera(stream, microphone=microphone)
        self._own = (camera, stream)
        return camera.source()

    def close_camera(self) -> None:
        """Switch the page's camera off; a stream that the user gave stays open."""
        if self._own is not None:
            camera, stream = self._own
            camera.close()
            if stream is not self._given_stream:
                stream.close()
        self._own = None

    def take_part(
        self, arguments: dict[str, Any], data: bytes, page: str, done: Callable[[str], None]
    ) -> None:
        """Take a part of a file that a page sends; call `done(path)` after its last part."""
        upload = f"{page}-{arguments['upload']}"
        if arguments["part"] == 0:
            self._uploads.mkdir(parents=True, exist_ok=True)
            path = self._uploads / upload_name(str(arguments["name"]))
            path.write_bytes(b"")
            self._parts[upload] = path
        path = self._parts.get(upload)
        if path is None:
            raise SourceError("a part of a file came without its beginning: choose it again")
        if path.stat().st_size + len(data) > _MOST_UPLOAD_BYTES:
            del self._parts[upload]
            path.unlink()
            raise SourceError(f"{path.name} is larger than 4 GB: give its path instead")
        with open(path, "ab") as file:
            file.write(data)
        self._page.send(
            {"kind": "got", "page": page, "upload": arguments["upload"], "part": arguments["part"]}
        )
        if arguments["last"]:
            del self._parts[upload]
            done(str(path))
