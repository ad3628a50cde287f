"""PanelPage: the widget of the control panel. A player with its controls around it, as one page shows them.

The kernel says in traits what the page shows, and the page says in messages of the kind "do" what the user wants:
an action's name, its arguments, and bytes where there are some (a file, speech). `ControlPanel` does it.

Messages to the page, beside those of LivePlayer (`kind`):

    got       upload, part: a part of a file has arrived, and the next may come
    film      what: moment · run · download; name, part, parts, words [bytes]: a file in parts, to be shown or saved
    compared  titles, rows: two runs side by side
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import traitlets

from commentator_lib.players.browser import VIEW_SCRIPTS, VIEW_STYLES, LivePlayer, join_scripts

_FOLDER = Path(__file__).parent
_SCRIPTS = tuple(
    _FOLDER / f"{name}.js"
    for name in (
        *("panel_fields", "panel_source", "panel_commentator", "panel_pacing", "panel_events", "panel_runs"),
        *("panel", "panel_widget"),
    )
)
# One message holds so many bytes; a page takes them one after another.
PART_BYTES = 1_000_000

# Does an action: its name, its arguments, its bytes, the page that asked.
Act = Callable[[str, dict[str, Any], bytes, str], None]


class PanelPage(LivePlayer):
    """A LivePlayer with controls. `act` is called for each action of a page, on any thread of the kernel.

    Each trait is what one part of the page shows: `controls` the row below the picture and what was said last,
    `source_cards`, `commentator_cards`, `pacing` and `earlier_runs` the tabs of those names, `card` the page of HTML
    about the run that has ended.
    """

    _esm = join_scripts(*VIEW_SCRIPTS, *_SCRIPTS)
    _css = join_scripts(VIEW_STYLES, _FOLDER / "panel.css")
    controls = traitlets.Dict().tag(sync=True)
    source_cards = traitlets.List().tag(sync=True)
    commentator_cards = traitlets.Dict().tag(sync=True)
    pacing = traitlets.Dict().tag(sync=True)
    earlier_runs = traitlets.List().tag(sync=True)
    card = traitlets.Unicode("").tag(sync=True)

    def __init__(self, act: Act, **traits: Any) -> None:
        super().__init__(**traits)
        self._act = act

    def _from_page(self, widget: Any, content: dict[str, Any], buffers: list) -> None:
        if content.get("kind") != "do":
            super()._from_page(widget, content, buffers)
            return
        data = bytes(buffers[0]) if buffers else b""
        self._act(str(content["action"]), dict(content.get("arguments") or {}), data, str(content["page"]))

    def forget_panel(self) -> None:
        """Let go of who does the actions; those that still come are not done."""
        self.unobserve_all()
        self._act = lambda action, arguments, data, page: None

    def send_file(self, page: str, what: str, path: Path, name: str, words: str = "") -> None:
        """Send a file to one page in parts of a megabyte; `what` says what the page does with it."""
        size = path.stat().st_size
        parts = max(1, -(-size // PART_BYTES))
        with open(path, "rb") as file:
            for part in range(parts):
                about = {"kind": "film", "page": page, "what": what, "name": name, "words": words}
                self.send({**about, "part": part, "parts": parts}, [file.read(PART_BYTES)])
