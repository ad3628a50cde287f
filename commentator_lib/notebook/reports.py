"""Figures, tables and text that are drawn below the panel each time a run has ended."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Any

from ipywidgets import Output

from commentator_lib.commentators.base import CommentatorError
from commentator_lib.errors import named_first_line
from commentator_lib.runs.record import RunLogError
from commentator_lib.session import LiveSession
from commentator_lib.settings import SettingsError
from commentator_lib.sources.base import SourceError

_OWN_ERRORS = (SourceError, SettingsError, CommentatorError, RunLogError)

# Returns what is shown of a session whose run has ended.
Report = Callable[[LiveSession], Any]


def fill_output(output: Output, session: LiveSession, reports: Sequence[Report]) -> None:
    """Replace what `output` shows by what `reports` return for the session. One that fails becomes a line."""
    output.outputs = ()
    for report in reports:
        try:
            output.append_display_data(_displayable(report(session)))
        except Exception as error:  # a report is the user's own function and may fail in any way
            name = getattr(report, "__name__", type(report).__name__)
            output.append_stderr(f"{name}: {error_line(error)}\n")


def error_line(error: Exception) -> str:
    """Return an error as one line, with the name of its class unless it is one of the library's own errors."""
    return str(error) if isinstance(error, _OWN_ERRORS) else named_first_line(error)


def _displayable(thing: Any) -> Any:
    """Return a figure as a PNG picture, everything else as it is."""
    from matplotlib.figure import Figure

    if not isinstance(thing, Figure):
        return thing
    from IPython.display import Image

    data = io.BytesIO()
    thing.savefig(data, format="png", dpi=100)
    title = thing.get_suptitle() or "plot"
    return Image(data=data.getvalue(), format="png", alt=title)
