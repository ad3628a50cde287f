"""What the tests of the programme's sound share: a kernel that feeds a player, and the sound that left the page."""

from __future__ import annotations

import base64
import contextlib

import numpy as np

from experiments.benchmarks.player_pages import TAP
from tests.notebook.page.conftest import talking, until

RATE_HZ = 48_000
TONE_HZ, VOICE_HZ = 1000, 3000

# `feed` plays `programme` (N, 2) int16 in pieces of `pieces_s`, again and again, in order and each 0.4 s ahead, but for
# those that are `left_out` and those sent `late_s` later. `comments` are (start, seconds, amplitude); `cut` is (number,
# when, after so much of it).
_FEED = """
import asyncio, json, pathlib, threading, time
import numpy as np
from commentator_lib.media import AudioChunk
from commentator_lib.players.browser import LivePlayer
from commentator_lib.players.playback_clock import PlaybackClock
player = LivePlayer()
told = {"state": "made", "pages": {}}

async def feed(programme, comments=(), left_out=(), late_s={}, duck_db=12.0, cut=None, pieces_s=(0.1, 0.15, 0.2, 0.12)):
    playback = PlaybackClock()
    player.attach(playback)
    player.log_row("run", {"epoch_s": time.monotonic(), "source": "s", "commentator": "c", "has_sound": True,
                           "duck_db": duck_db})
    while not any(p.sounding for p in player.pages.values()):
        player._living_pages()
        await asyncio.sleep(0.05)
    told["state"] = "sounds"
    zero_s = time.monotonic() + 0.6
    events, at, when_s = [], 0, -1.0
    for k in range(10_000):
        count = round(48_000 * pieces_s[k % len(pieces_s)])
        part = programme[at:at + count]
        if len(part) == 0:
            break
        when_s = max(when_s, at / 48_000 - 0.4 + late_s.get(k, 0.0))
        if k not in left_out:
            events.append((when_s, "programme", part, at / 48_000))
        at += count
    for number, (start_s, seconds, amplitude) in enumerate(comments):
        wave = amplitude * 32767 * np.sin(2 * np.pi * 3000 * np.arange(round(48_000 * seconds)) / 48_000)
        for k in range(0, len(wave), 12_000):  # its end is not known when it begins
            events.append((start_s + k / 48_000 * 0.8 - 0.3, number, wave[k:k + 12_000].astype(np.int16), start_s))
    if cut is not None:
        events.append((cut[1], "cut", cut[0], cut[2]))
    for when_s, kind, data, start_s in sorted(events, key=lambda e: e[0]):
        await asyncio.sleep(max(0.0, zero_s + when_s - time.monotonic()))
        if kind == "programme":
            player.play_programme(AudioChunk(data, 48_000), zero_s + start_s)
        elif kind == "cut":
            player.cut(data, start_s)
        else:
            player.play(AudioChunk(data, 48_000), kind, zero_s + start_s)
        player._living_pages()
    await asyncio.sleep(max(0.0, zero_s + len(programme) / 48_000 + 1.0 - time.monotonic()))
    told["state"] = "done"

def tell():
    while True:
        told["pages"] = {k: [p.sounding, p.counts] for k, p in dict(player.pages).items()}
        told["heard"] = [player.programme_volume, player.programme_muted, player.voice_volume, player.voice_muted]
        part = pathlib.Path("told.part")
        part.write_text(json.dumps(told))
        part.replace("told.json")
        time.sleep(0.1)

def tone(seconds, amplitude=0.5):
    wave = amplitude * 32767 * np.sin(2 * np.pi * 1000 * np.arange(round(48_000 * seconds)) / 48_000)
    return np.repeat(wave.astype(np.int16)[:, None], 2, axis=1)

def noise(seconds):
    return np.random.default_rng(7).integers(-9000, 9000, (round(48_000 * seconds), 2), np.int16)

def work():
    try:
        asyncio.run(feed(FEED))
    except BaseException as error:
        told["state"] = f"failed: {error!r}"

threading.Thread(target=tell, daemon=True).start()
threading.Thread(target=work, daemon=True).start()
player
"""


def noise(seconds):
    """Return what the kernel's `noise` returns."""
    return np.random.default_rng(7).integers(-9000, 9000, (round(RATE_HZ * seconds), 2), np.int16)


@contextlib.contextmanager
def fed(lab, browser, call, side=0, init=""):
    """Yield a page whose player gets what `call` says, the arguments of `feed`; channel `side` of it is captured."""
    tap = TAP.replace("input[0] ? input[0]", f"input[{side}] ? input[{side}]")
    with talking(lab, browser, [_FEED.replace("FEED", call)], init=init + tap) as page:
        until(lambda: page.told()["state"] != "made", "sound")
        yield page


def wait_done(page):
    """Wait until all has been played; return the counts of the only page."""
    until(lambda: page.told()["state"] not in ("made", "sounds"), "the end")
    assert page.told()["state"] == "done"
    ((_, counts),) = page.told()["pages"].values()
    return counts


def captured(page):
    """Return all that went to the loudspeaker since the page was opened, (N,) float with int16's values."""
    sound = page.evaluate("tap.sound()")
    first = sound["first"]
    print(
        "the tap missed, s:", [[round((k - first) / RATE_HZ, 3) for k in pair] for pair in sound["missing"]]
    )
    return np.frombuffer(base64.b64decode(sound["base64"]), np.int16).astype(float)


def loudest(page):
    """Return the largest sample that went to the loudspeaker; 1 is full scale."""
    return page.evaluate(
        "tap.blocks.reduce((m, [, samples]) => samples.reduce((n, x) => Math.max(n, Math.abs(x)), m), 0)"
    )


def place_of(snippet, sound):
    """Return where `snippet` is in `sound`: the sample at which they agree best."""
    size = 1 << int(np.ceil(np.log2(len(sound) + len(snippet))))
    both = np.fft.irfft(np.fft.rfft(sound, size) * np.conj(np.fft.rfft(snippet, size)), size)
    return int(np.argmax(both[: len(sound) - len(snippet) + 1]))


def levels(sound, hz, window_s=0.01):
    """Return the amplitude of a tone in each window of `window_s`, as a share of full scale."""
    hop = round(RATE_HZ * window_s)
    wave = np.exp(-2j * np.pi * hz * np.arange(hop) / RATE_HZ)
    windows = sound[: len(sound) // hop * hop].reshape(-1, hop)
    return np.abs(windows @ wave) * 2 / hop / 32768
