"""A page's messages reach a widget while a cell runs; without a kernel nothing is changed."""

from __future__ import annotations

import pytest

from commentator_lib.widget_messages import deliver_while_busy


class Comm:
    def _reply_subshell_for(self, data, default):
        return "another shell"


class PlainComm:
    """A comm of a kernel that leaves messages on their shell."""


class Widget:
    def __init__(self, comm, *children):
        self.comm = comm
        if children:
            self.children = children


def test_a_widget_and_all_its_children_keep_their_messages_on_the_shell_they_came_by():
    leaf, other = Widget(Comm()), Widget(Comm())
    tree = Widget(Comm(), Widget(Comm(), leaf), other)
    deliver_while_busy(tree)
    assert [w.comm._reply_subshell_for for w in (tree, tree.children[0], leaf, other)] == [None] * 4


def test_where_the_switch_does_not_exist_nothing_is_changed():
    plain, closed = Widget(PlainComm()), Widget(None)
    deliver_while_busy(plain, closed, object())
    assert vars(plain.comm) == {} and closed.comm is None


def test_the_kernel_that_is_installed_has_the_switch():
    """A new ipykernel with another name for it would bring the fault back: then this test fails."""
    comm = pytest.importorskip("ipykernel.comm.comm")
    assert hasattr(comm.BaseComm, "_reply_subshell_for")


def test_the_panel_the_player_and_the_camera_have_it_set(monkeypatch):
    ipywidgets = pytest.importorskip("ipywidgets")
    control_panel = pytest.importorskip("commentator_lib.notebook.control_panel")
    browser_camera = pytest.importorskip("commentator_lib.sources.browser_camera")
    ipywebrtc = pytest.importorskip("ipywebrtc")

    def below(widget):
        yield widget
        for child in getattr(widget, "children", ()):
            yield from below(child)

    monkeypatch.setattr("comm.base_comm.BaseComm._reply_subshell_for", lambda *a: "main", raising=False)
    panel = control_panel.ControlPanel()
    camera = browser_camera.BrowserCamera(ipywebrtc.CameraStream())
    widgets = [w for w in (*below(panel), camera) if isinstance(w, ipywidgets.Widget)]
    assert len(widgets) == 3
    assert all(w.comm._reply_subshell_for is None for w in widgets)
    panel.close()
