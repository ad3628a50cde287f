"""Firefox through Mozilla's own client: pages, scripts, real clicks, sound, pictures, errors."""

from __future__ import annotations

import http.server
import io

import pytest

from experiments.tools.firefox import find_firefox, firefox
from tests.conftest import serve

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(find_firefox() is None, reason="Firefox or PulseAudio is not installed"),
]
PAGE = b"""<!doctype html><title>first</title><body style="margin: 0; background: #00f">
<button aria-label="Go" onclick="this.textContent = event.isTrusted ? 'gone' : 'not real'">x</button>
<input value="old"><p hidden class="late">now</p>
<script>setTimeout(() => document.querySelector(".late").hidden = false, 300);
setTimeout(() => { throw new Error("broken on purpose"); }, 0);</script>"""
SOUND = """async () => {
    const context = new AudioContext();
    await new Promise((resolve) => setTimeout(resolve, 1500));
    const from = context.currentTime;
    await new Promise((resolve) => setTimeout(resolve, 1000));
    return [context.state, context.currentTime - from]; }"""


def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", "text/html; charset=utf-8")
    handler.end_headers()
    handler.wfile.write(PAGE)


def test_a_page_is_opened_used_heard_and_seen(tmp_path):
    from PIL import Image

    with serve(answer) as address, firefox(900, 600) as page:
        page.goto(address)
        assert page.evaluate("document.title") == "first"
        assert page.evaluate("({ a, b }) => Promise.resolve(a + b)", {"a": 1, "b": 2}) == 3
        assert page.evaluate("[innerWidth, innerHeight]") == [900, 600]
        with pytest.raises(RuntimeError, match="no such thing"):
            page.evaluate("() => { throw new Error('no such thing'); }")

        page.button("Go").click()
        page.wait_for_function("document.querySelector('button').textContent === 'gone'")
        page.wait_for_selector(".late")
        assert page.inner_text(".late") == "now"
        page.fill("input", "new")
        assert page.evaluate("document.querySelector('input').value") == "new"
        assert page.attribute("button", "aria-label") == "Go" and page.count("button") == 1
        with pytest.raises(TimeoutError):
            page.wait_for_selector(".never", timeout=200)

        state, passed_s = page.evaluate(SOUND)
        assert state == "running" and passed_s > 0.5
        image = Image.open(io.BytesIO(page.screenshot(tmp_path / "page.png"))).convert("RGB")
        assert image.size == (900, 600) and image.getpixel((450, 500)) == (0, 0, 255)
        page.reload()
        assert page.inner_text("button") == "x"
        page.wait_for_function("performance.now() > 100")
        assert [e for e in page.errors if "broken on purpose" in e]
        assert [e for e in page.errors if "broken on purpose" not in e] == []
