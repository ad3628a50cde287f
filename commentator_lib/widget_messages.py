"""Let a page's messages reach a widget while a notebook cell is running.

JupyterLab sends the messages of widgets on a subshell, a second thread of the kernel, so that a click arrives while
a cell is busy. But ipykernel 7.4 hands a message to the shell that last published on the widget's comm. For a widget
that a cell has made, that is the main shell, and a click on Stop waits until the cell has ended.
"""

from __future__ import annotations

from typing import Any


def deliver_while_busy(*widgets: Any) -> None:
    """Keep the messages of `widgets`, and of all their children, on the shell on which the page sent them.

    The switch is a private attribute of ipykernel's comm. Where it does not exist (other versions of ipykernel, no
    kernel at all) nothing is changed: ipykernel 7.3 and older never take the messages off their shell.
    """
    for widget in widgets:
        comm = getattr(widget, "comm", None)
        if comm is not None and hasattr(comm, "_reply_subshell_for"):
            comm._reply_subshell_for = None
        deliver_while_busy(*getattr(widget, "children", ()))
