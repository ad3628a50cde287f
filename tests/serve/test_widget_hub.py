"""Widgets without Jupyter: state for those who come later, messages for all or for one, and what pages may not do."""

from __future__ import annotations

import asyncio
import contextlib
import threading

import comm
import ipywidgets
import pytest
import traitlets

from commentator_lib.serve.viewer import MOST_WAITING_FRAMES, Viewer
from commentator_lib.serve.widget_hub import WidgetHub
from commentator_lib.serve.wire import unpack


class Shown(ipywidgets.Widget):
    """A widget that keeps what it is told, and on which thread."""

    volume = traitlets.Float(1.0, min=0, max=1).tag(sync=True)
    words = traitlets.Unicode("").tag(sync=True)

    def __init__(self, **traits):
        super().__init__(**traits)
        self.told = []
        self.on_msg(
            lambda _widget, content, buffers: self.told.append((content, buffers, threading.get_ident()))
        )


class Page:
    """A viewer's page: what it was sent."""

    def __init__(self):
        self.viewer, self.got = Viewer(), []
        self._task = None

    async def join(self, hub):
        hub.join(self.viewer)
        self._task = asyncio.create_task(self.viewer.send_all(self._take))
        return self

    async def _take(self, data):
        self.got.append(unpack(data))

    def of(self, kind, widget=None):
        return [
            {**message, "data": buffers}
            for message, buffers in self.got
            if message["msg"] == kind and widget in (None, message["comm"])
        ]

    def leave(self, hub):
        self._task.cancel()
        hub.leave(self.viewer)


@contextlib.contextmanager
def hub_with_widget():
    hub = WidgetHub(writable=["volume"])
    with hub.installed():
        widget = Shown()
        hub.root = widget.model_id
        yield hub, widget
        widget.close()


async def settled(condition):
    for _ in range(5000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come")


def say(widget, **content):
    return {"comm": widget.model_id, "msg": "custom", "content": content}


def run(main):
    with hub_with_widget() as (hub, widget):
        return asyncio.run(main(hub, widget))


def test_a_viewer_gets_all_widgets_as_they_are_now_and_then_what_changes():
    async def main(hub, widget):
        widget.words = "before"
        page = await Page().join(hub)
        await settled(lambda: page.of("root"))
        (opened,) = page.of("open", widget.model_id)
        assert opened["state"]["words"] == "before" and opened["state"]["volume"] == 1.0
        assert page.of("root")[0]["comm"] == widget.model_id
        threading.Thread(target=lambda: setattr(widget, "words", "after")).start()
        await settled(lambda: page.of("update"))
        assert page.of("update")[0]["state"] == {"words": "after"}
        late = await Page().join(hub)
        await settled(lambda: late.of("open", widget.model_id))
        assert late.of("open", widget.model_id)[0]["state"]["words"] == "after"
        other = Shown()
        await settled(lambda: page.of("open", other.model_id))
        other_id = other.model_id
        other.close()
        await settled(lambda: page.of("close", other_id) and late.of("close", other_id))
        third = await Page().join(hub)
        await settled(lambda: third.of("root"))
        assert not third.of("open", other_id)

    run(main)


def test_messages_go_to_all_and_what_names_a_page_to_its_viewer_alone():
    async def main(hub, widget):
        first, second = await Page().join(hub), await Page().join(hub)
        for page, name in ((first, "a"), (second, "b")):
            await hub.receive(page.viewer, say(widget, kind="hello", page=name), [])
        widget.send({"kind": "caption", "text": "all"}, [b"12"])
        widget.send({"kind": "welcome", "page": "b"})
        await settled(lambda: len(second.of("custom")) == 2 and first.of("custom"))
        assert [m["content"]["kind"] for m in first.of("custom")] == ["caption"]
        assert [m["content"]["kind"] for m in second.of("custom")] == ["caption", "welcome"]
        assert first.of("custom")[0]["data"] == [b"12"]

    run(main)


def test_what_a_page_sets_reaches_the_widget_and_the_other_pages_but_not_itself():
    async def main(hub, widget):
        first, second = await Page().join(hub), await Page().join(hub)
        change = {"comm": widget.model_id, "msg": "update", "state": {"volume": 0.25}}
        await hub.receive(first.viewer, change, [])
        assert widget.volume == 0.25
        await settled(lambda: second.of("update"))
        assert second.of("update")[0]["state"] == {"volume": 0.25} and not first.of("update")
        late = await Page().join(hub)
        await settled(lambda: late.of("open", widget.model_id))
        assert late.of("open", widget.model_id)[0]["state"]["volume"] == 0.25

    run(main)


def test_a_page_may_not_set_what_is_not_its_own():
    async def main(hub, widget):
        for state in (
            {"words": "<script>"},
            {"_view_module": "evil"},
            {"volume": 7.0},
            {"comm": None},
            "x",
            None,
        ):
            page = Page()
            await page.join(hub)
            await hub.receive(page.viewer, {"comm": widget.model_id, "msg": "update", "state": state}, [])
        assert widget.words == "" and widget.volume == 1.0 and widget._view_module != "evil"

    run(main)


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"comm": "nobody", "msg": "custom", "content": {"kind": "x", "page": "p"}},
        {"comm": ["x"], "msg": "custom"},
        {"msg": "custom", "content": {}},
        {"msg": "custom", "content": {"kind": "ack"}},
        {"msg": "custom", "content": {"kind": 1, "page": "p"}},
        {"msg": "custom", "content": {"kind": "x", "page": ["p"]}},
        {"msg": "open", "state": {}},
        {"msg": "close"},
        {"msg": "request_state"},
    ],
)
def test_what_is_no_message_of_a_page_is_dropped(message):
    async def main(hub, widget):
        page = await Page().join(hub)
        await hub.receive(page.viewer, {"comm": widget.model_id, **message}, [])
        assert widget.told == [] and not page.viewer.pages

    run(main)


def test_what_takes_no_time_is_done_at_once_and_the_rest_on_another_thread():
    async def main(hub, widget):
        page = await Page().join(hub)
        await hub.receive(page.viewer, say(widget, kind="ping", page="p"), [])
        await hub.receive(page.viewer, say(widget, kind="do", page="p"), [b"data"])
        (ping, _, here), (do, data, elsewhere) = widget.told
        assert ping["kind"] == "ping" and here == threading.get_ident()
        assert do["kind"] == "do" and data == [b"data"] and elsewhere != here

    run(main)


def test_a_viewer_that_leaves_says_bye_for_its_pages():
    async def main(hub, widget):
        page = await Page().join(hub)
        await hub.receive(page.viewer, say(widget, kind="hello", page="p"), [])
        page.leave(hub)
        assert [content["kind"] for content, *_ in widget.told] == ["hello", "bye"]
        assert widget.told[-1][0]["page"] == "p" and not hub.viewers
        widget.send({"kind": "caption"})  # to nobody

    run(main)


def test_one_viewer_that_takes_nothing_costs_the_others_no_picture():
    async def main(hub, widget):
        stuck, page = Viewer(), await Page().join(hub)
        hub.join(stuck)

        async def never(_data):
            await asyncio.Event().wait()

        stuck_task = asyncio.create_task(stuck.send_all(never))
        for k in range(100):
            widget.send({"kind": "frame", "seq": k}, [b"jpeg"])
            await asyncio.sleep(0)
            await settled(lambda k=k: len(page.of("custom")) == k + 1)
        assert [m["content"]["seq"] for m in page.of("custom")] == list(range(100))
        assert page.viewer.dropped_frames == 0
        assert stuck.dropped_frames == 100 - MOST_WAITING_FRAMES
        stuck_task.cancel()
        hub.leave(stuck)
        assert hub.dropped_frames == 100 - MOST_WAITING_FRAMES

    run(main)


def test_a_file_in_parts_waits_for_its_viewer_and_for_no_other():
    async def main(hub, widget):
        may_go = asyncio.Event()
        got, viewer = [], Viewer()

        async def send(data):
            await may_go.wait()
            got.append(unpack(data))

        hub.join(viewer)
        task = asyncio.create_task(viewer.send_all(send))
        await hub.receive(viewer, say(widget, kind="hello", page="p"), [])

        def send_file():
            for part in range(20):
                widget.send({"kind": "film", "page": "p", "part": part}, [bytes(1_000_000)])

        sending = asyncio.get_running_loop().run_in_executor(None, send_file)
        await settled(lambda: viewer.waiting_bytes > 4_000_000)
        await asyncio.sleep(0.3)
        assert not sending.done() and viewer.waiting_bytes < 6_100_000  # a part beyond, and one under way
        may_go.set()
        await sending
        await settled(lambda: sum(m["msg"] == "custom" for m, _ in got) == 20)
        task.cancel()

    run(main)


def test_the_comms_of_before_are_back_afterwards():
    before = comm.create_comm
    with hub_with_widget():
        assert comm.create_comm is not before
    assert comm.create_comm is before
    ipywidgets.HTML("x").close()


def test_a_private_widget_is_shown_to_the_viewer_alone_that_claims_it():
    hub = WidgetHub(
        is_private=lambda state: state.get("words") == "camera", claims=lambda c: c.get("name") == "camera"
    )

    async def main(widget):
        first, second = await Page().join(hub), await Page().join(hub)
        await hub.receive(first.viewer, say(widget, kind="do", page="a", name="camera"), [])
        camera = Shown(words="camera")
        camera.send({"kind": "start"})
        widget.send({"kind": "caption"})
        await settled(lambda: first.of("custom", camera.model_id) and second.of("custom", widget.model_id))
        assert first.of("open", camera.model_id)
        assert not second.of("open", camera.model_id) and not second.of("custom", camera.model_id)
        third = await Page().join(hub)
        first.leave(hub)
        reloaded = await Page().join(hub)
        await settled(lambda: third.of("root") and reloaded.of("root"))
        assert reloaded.of("open", camera.model_id) and not third.of("open", camera.model_id)
        camera.close()
        await settled(lambda: reloaded.of("close"))
        assert not third.of("close") and not second.of("close")

    with hub.installed():
        asyncio.run(main(Shown()))
