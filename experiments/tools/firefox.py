"""Drive Debian's Firefox for a test, through Mozilla's own client: a second engine besides Chromium.

    with firefox() as page:
        page.goto("http://127.0.0.1:8000/")
        page.click("button.start")
        page.wait_for_function("document.title === 'ready'")

A page has the few methods that tests need, named as Playwright names them. Playwright itself cannot drive the Firefox
that a distribution ships. Firefox plays sound only where there is a sound card, and its sound clock stands still
where there is none, so a PulseAudio server with a null output, which is private to the block, takes the sound.

    apt-get install firefox-esr pulseaudio
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

from experiments.errors import UserError

_START_S = 60.0
_LIMIT_S = 120.0
_PREFERENCES = {
    "media.autoplay.default": 0,  # 0: allowed
    "media.autoplay.blocking_policy": 0,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "app.normandy.enabled": False,  # asks another machine
    "services.settings.server": "data:,",  # the same
}
# Runs `source` (an expression, or a function of `arg`); waits for a promise. Its own errors come back as text.
_EVALUATE = """const [arg, done] = arguments;
(async () => {{ const value = ({source});
    return typeof value === 'function' ? value(arg) : value; }})()
    .then((value) => done([true, value ?? null]), (error) => done([false, String(error) + '\\n' + error?.stack]));"""
# What pages have thrown and nobody has caught; read in the browser's own context, where all processes report.
_ERRORS = """return Services.console.getMessageArray()
    .filter((m) => m instanceof Ci.nsIScriptError && !(m.flags & Ci.nsIScriptError.warningFlag)
        && m.category === 'content javascript')
    .map((m) => `${m.errorMessage} (${m.sourceName}:${m.lineNumber})`);"""
_BUTTON = """(name) => {
    const named = (e) => (e.getAttribute('aria-label') || e.textContent || e.title).trim() === name;
    return [...document.querySelectorAll('button, [role=button]')]
        .find((e) => named(e) && e.getClientRects().length) ?? null; }"""


def find_firefox() -> str | None:
    """Return the path of Firefox, or None where it cannot be driven; the variable FIREFOX names another.

    PulseAudio must be there for its sound, and Python must be 3.12 or older: Mozilla's client imports telnetlib.
    """
    names = (os.environ.get("FIREFOX", ""), "firefox-esr", "firefox")
    path = next((path for name in names if name and (path := shutil.which(name))), None)
    return path if shutil.which("pulseaudio") and sys.version_info < (3, 13) else None


class FirefoxPage:
    """The one tab of a running Firefox. Waits raise TimeoutError, scripts that fail RuntimeError.

    Selectors are CSS, and mean the first element that they match. Times in `timeout` are milliseconds, as in
    Playwright.
    """

    def __init__(self, marionette: Any) -> None:
        self.marionette = marionette

    def goto(self, url: str, timeout: float = 1000 * _LIMIT_S) -> None:
        """Open a page and wait until it has loaded."""
        self.marionette.timeout.page_load = timeout / 1000
        self.marionette.navigate(url)

    def reload(self) -> None:
        """Load the page again and wait until it has loaded."""
        self.marionette.refresh()

    def evaluate(self, source: str, arg: Any = None) -> Any:
        """Return what an expression, a function of `arg` or a promise gives; elements and JSON values can be had."""
        script = _EVALUATE.format(source=source)
        done, value = self.marionette.execute_async_script(script, [arg], sandbox=None)
        if not done:
            raise RuntimeError(value)
        return value

    def wait_for_function(self, source: str, arg: Any = None, timeout: float = 1000 * _LIMIT_S) -> Any:
        """Return what `evaluate` returns as soon as that is true."""
        give_up = time.monotonic() + timeout / 1000
        while True:
            if value := self.evaluate(source, arg):
                return value
            if time.monotonic() > give_up:
                raise TimeoutError(f"not within {timeout / 1000:g} s: {source}")
            time.sleep(0.05)

    def wait_for_selector(self, selector: str, timeout: float = 1000 * _LIMIT_S) -> Any:
        """Wait until an element is there and visible; return it, with Marionette's own methods."""
        seen = "(s) => [...document.querySelectorAll(s)].find((e) => e.getClientRects().length) ?? null"
        return self.wait_for_function(seen, selector, timeout)

    def click(self, selector: str) -> None:
        """Click with a real mouse event, once the element is visible; counts as the user's own gesture."""
        self.wait_for_selector(selector).click()

    def button(self, name: str) -> Any:
        """Wait for the visible button of this label or text; return it, with Marionette's own methods."""
        return self.wait_for_function(_BUTTON, name)

    def count(self, selector: str) -> int:
        """Return how many elements match."""
        return self.evaluate("(s) => document.querySelectorAll(s).length", selector)

    def inner_text(self, selector: str) -> str:
        """Return the text that is seen of the first element that matches; empty where none does."""
        return self.evaluate("(s) => document.querySelector(s)?.innerText ?? ''", selector)

    def attribute(self, selector: str, name: str) -> str | None:
        """Return an attribute of the first element that matches, or None."""
        return self.evaluate(
            "([s, n]) => document.querySelector(s)?.getAttribute(n) ?? null", [selector, name]
        )

    def fill(self, selector: str, text: str) -> None:
        """Replace what stands in a field by typing."""
        field = self.wait_for_selector(selector)
        field.clear()
        field.send_keys(text)

    def screenshot(self, path: Path | str | None = None) -> bytes:
        """Return a PNG of what the window shows; write it to `path` too, if given."""
        png: bytes = self.marionette.screenshot(format="binary", full=False)
        if path is not None:
            Path(path).write_bytes(png)
        return png

    def set_viewport(self, width: int, height: int) -> None:
        """Give the page this many CSS pixels."""
        for _ in range(2):  # what the window's frame takes is known only from a window that has been laid out
            more = self.evaluate("[outerWidth - innerWidth, outerHeight - innerHeight]")
            self.marionette.set_window_rect(width=width + more[0], height=height + more[1])

    @property
    def errors(self) -> list[str]:
        """What the page's scripts have thrown and nobody caught, since the browser's start."""
        with self.marionette.using_context("chrome"):
            return self.marionette.execute_script(_ERRORS)


@contextlib.contextmanager
def _null_sound_card(folder: Path) -> Generator[str]:
    """Run a PulseAudio server whose output goes nowhere, in real time; yield its address."""
    address = folder / "native"
    command = [
        *(
            "pulseaudio",
            "-n",
            "--daemonize=no",
            "--exit-idle-time=-1",
            "--disable-shm=yes",
            "--use-pid-file=no",
        ),
        *("-L", "module-null-sink sink_name=nowhere rate=48000"),
        *("-L", f"module-native-protocol-unix socket={address} auth-anonymous=1"),
    ]
    environment = {**os.environ, "HOME": str(folder), "XDG_RUNTIME_DIR": str(folder)}
    with open(folder / "pulseaudio.log", "wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        give_up = time.monotonic() + _START_S
        while not address.exists():
            if process.poll() is not None or time.monotonic() > give_up:
                end = (folder / "pulseaudio.log").read_text(errors="replace")[-1000:]
                raise RuntimeError(f"pulseaudio did not start:\n{end}")
            time.sleep(0.05)
        yield f"unix:{address}"
    finally:
        process.terminate()
        process.wait(10)


@contextlib.contextmanager
def firefox(width: int = 1280, height: int = 800) -> Generator[FirefoxPage]:
    """Run a headless Firefox with a new profile and sound; yield its page, of so many CSS pixels.

    Raise UserError where Firefox or PulseAudio is not installed.
    """
    path = find_firefox()
    if path is None:
        raise UserError("Firefox is not installed: apt-get install firefox-esr pulseaudio")
    from marionette_driver.marionette import Marionette

    # A socket's path may have 107 characters, so the folder is not the test's own.
    with tempfile.TemporaryDirectory(prefix="firefox-") as name, _null_sound_card(Path(name)) as sound:
        before = os.environ.get("PULSE_SERVER")
        os.environ["PULSE_SERVER"] = sound  # the client hands on its own environment only
        log = Path(name) / "firefox.log"
        marionette: Any = None
        try:
            marionette = Marionette(
                bin=path,
                headless=True,
                prefs=_PREFERENCES,
                port=0,
                gecko_log=str(log),
                startup_timeout=_START_S,
            )
            marionette.start_session()
            marionette.timeout.script = _LIMIT_S
            page = FirefoxPage(marionette)
            page.set_viewport(width, height)
            yield page
        finally:
            if before is None:
                del os.environ["PULSE_SERVER"]
            else:
                os.environ["PULSE_SERVER"] = before
            if marionette is not None:
                if marionette.session is not None:
                    marionette.quit()
                marionette.cleanup()
