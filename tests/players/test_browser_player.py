"""LivePlayer without a browser: what it sends and when, and how it handles the reports of pages."""

from __future__ import annotations

import asyncio
import sys
import threading
import time

import numpy as np
import pytest

from commentator_lib.media import PLAYBACK_RATE_HZ, AudioChunk, Frame
from commentator_lib.players import page_memory, page_sender
from commentator_lib.players.base import Player, PlayerGroup
from commentator_lib.players.playback_clock import ALIVE_S, PlaybackClock
from tests.conftest import virtually

widget = pytest.importorskip("commentator_lib.players.browser", reason="needs the extra notebooks")

PICTURE = np.full((36, 64, 3), 90, np.uint8)


class Pages:
    """A LivePlayer whose messages are kept instead of sent, and pages whose answers the test decides."""

    def __init__(self):
        self.player = widget.LivePlayer()
        self.sent = []
        self._lock = threading.Lock()
        self.player.send = self.take

    def take(self, content, buffers=None):
        with self._lock:
            self.sent.append((content, buffers or []))

    def says(self, kind, page="a", **more):
        self.player._from_page(self.player, {"kind": kind, "page": page, **more}, [])

    def acks(self, page="a", sounding=True, heard=(), seq=-1, draws=(), at=None, **counts):
        at = time.monotonic() if at is None else at
        self.says(
            "ack",
            page,
            sounding=sounding,
            heard=list(heard),
            seq=seq,
            draws=list(draws),
            counts=counts,
            at=at,
        )

    def of(self, kind):
        with self._lock:
            return [(c, b) for c, b in self.sent if c["kind"] == kind]

    async def sends(self, kind, count=1):
        await until(lambda: len(self.of(kind)) >= count, f"{count} × {kind} sent")
        return self.of(kind)


async def until(condition, what):
    give_up = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < give_up, what
        await asyncio.sleep(0.005)


def attached(main):
    """Run `main(pages, playback)` with a player attached on a real loop, and detach the player."""

    async def run():
        pages, playback = Pages(), PlaybackClock()
        pages.player.attach(playback)
        pages.player.log_row("run", {"epoch_s": time.monotonic(), "source": "clip", "commentator": "c"})
        try:
            await main(pages, playback)
        finally:
            if pages.player._loop is not None:
                pages.player.detach()

    asyncio.run(run())
    assert not [t for t in threading.enumerate() if t.name == "page sender" and not _ends(t)]


def _ends(thread):
    thread.join(60)
    return not thread.is_alive()


def frame(k=0):
    return Frame(k, k / 25, 0.0, PICTURE)


def sound(seconds, value=1000):
    return AudioChunk(np.full(round(seconds * PLAYBACK_RATE_HZ), value, np.int16), PLAYBACK_RATE_HZ)


def test_it_is_a_player():
    assert isinstance(widget.LivePlayer(), Player)


def test_nothing_is_encoded_while_no_page_is_open():
    async def main(pages, _playback):
        pages.player.show(frame(), time.monotonic())
        pages.player.play(sound(0.1), 1, time.monotonic())
        pages.player.caption(1, "Hello.", True)
        await asyncio.sleep(0.05)
        assert pages.sent == []

    attached(main)


def test_frames_go_out_with_number_and_due_time():
    async def main(pages, _playback):
        pages.says("hello")
        for k in range(3):
            pages.player.show(frame(k), 100.0 + k)
            await asyncio.sleep(0.02)
        sent = await pages.sends("frame", 3)
        assert [(c["seq"], c["index"], c["due"]) for c, _ in sent] == [
            (0, 0, 100.0),
            (1, 1, 101.0),
            (2, 2, 102.0),
        ]
        assert all(b[0][:2] == b"\xff\xd8" for _, b in sent)

    attached(main)


def test_newer_pictures_push_out_older_ones_and_sound_is_never_dropped():
    async def main(pages, _playback):
        pages.says("hello")
        await pages.sends("welcome")
        with pages._lock:  # the sender is stuck in the middle of a message
            for k in range(12):
                pages.player.show(frame(k), 100.0 + k)
            for _ in range(20):
                pages.player.play(sound(0.1), 1, 100.0)
            await asyncio.sleep(0.05)
        sounds = await pages.sends("sound", 20)
        assert [c["offset"] for c, _ in sounds] == [4800 * k for k in range(20)]
        last = [c["index"] for c, _ in await pages.sends("frame", page_sender.WAITING_PICTURES)]
        assert last[-page_sender.WAITING_PICTURES :] == [8, 9, 10, 11]
        assert pages.player._sender.dropped_frames >= 7

    attached(main)


def test_page_that_takes_frames_slowly_gets_fewer():
    async def main(pages, _playback):
        pages.says("hello")
        for k in range(100):
            if k % 10 == 0:
                pages.acks(seq=3)
            pages.player.show(frame(k), 100.0)
            await asyncio.sleep(0.001)
        assert pages.player.held_back_frames == 100 - widget._FRAMES_UNDER_WAY - 4
        pages.acks(seq=33)
        pages.player.show(frame(200), 100.0)
        await until(lambda: any(c["index"] == 200 for c, _ in pages.of("frame")), "the new frame")
        assert pages.of("frame")[-1][0]["index"] == 200

    attached(main)


def test_long_sound_goes_in_parts_with_its_place_in_the_comment():
    async def main(pages, _playback):
        pages.says("hello")
        pages.player.play(sound(1.2), 7, 50.0)
        pages.player.play(sound(0.3), 7, 51.2)
        sent = await pages.sends("sound", 4)
        assert [(c["offset"], len(b[0]) // 2, c["piece"]) for c, b in sent] == [
            (0, 24000, True),
            (24000, 24000, False),
            (48000, 9600, False),
            (57600, 14400, True),
        ]
        assert all(c["start"] == 50.0 and c["comment"] == 7 for c, _ in sent)

    attached(main)


def test_what_a_page_heard_reaches_the_playback_clock():
    async def main(pages, playback):
        pages.says("hello")
        now = time.monotonic()
        playback.track(1).submitted(now, 2.0)
        pages.player.play(sound(2.0), 1, now)
        at = time.monotonic()
        pages.acks(heard=[(1, 0.4)], at=at)
        await asyncio.sleep(0.02)
        assert playback.track(1).heard_s(at) == pytest.approx(0.4)
        assert playback.track(1).heard_s(at + 0.3) == pytest.approx(0.7, abs=0.02)
        pages.acks(heard=[(1, 99.0)])  # more than was ever sent
        await asyncio.sleep(0.02)
        assert playback.track(1).heard_s(time.monotonic()) == 2.0

    attached(main)


@pytest.mark.parametrize("off_s", [-50.0, 3600.0])
def test_page_whose_clock_is_off_does_not_hold_the_pace_back(off_s):
    async def main(pages, playback):
        now = time.monotonic()
        playback.track(1).submitted(now, 2.0)
        pages.player.play(sound(2.0), 1, now)
        pages.acks(heard=[(1, 1.0)], at=now + off_s)
        await asyncio.sleep(0.02)
        assert now - ALIVE_S <= playback.track(1).heard_from_s(time.monotonic()) + 1.0 <= time.monotonic()
        assert playback.track(1).end_s(time.monotonic()) <= time.monotonic() + 1.1

    attached(main)


def test_pace_follows_the_slower_of_two_pages_until_it_is_gone():
    async def main(pages, playback):
        now = time.monotonic()
        playback.track(1).submitted(now, 5.0)
        pages.player.play(sound(5.0), 1, now)
        at = time.monotonic()
        pages.acks("a", heard=[(1, 2.0)], at=at)
        pages.acks("b", heard=[(1, 1.0)], at=at)
        await asyncio.sleep(0.02)
        assert playback.track(1).heard_s(at) == pytest.approx(1.0)
        pages.says("bye", "b")
        await asyncio.sleep(0.02)
        assert playback.track(1).heard_s(at) == pytest.approx(2.0)

    attached(main)


def test_page_that_falls_silent_loses_its_place():
    async def main(pages, playback):
        pages.acks("a")
        pages.acks("b")
        await asyncio.sleep(0.02)
        pages.player.pages["b"].seen_s -= ALIVE_S + 0.1
        pages.player.show(frame(), time.monotonic())
        assert list(pages.player.pages) == ["a"] and list(pages.player._reports) == ["a"]
        now = time.monotonic()
        playback.track(1).submitted(now, 5.0)
        pages.player.play(sound(5.0), 1, now)
        pages.acks("a", heard=[(1, 2.0)])
        await asyncio.sleep(0.02)
        assert playback.track(1).heard_s(now) == pytest.approx(2.0, abs=0.1)

    attached(main)


def test_page_that_may_not_sound_holds_nobody_up():
    async def main(pages, playback):
        now = time.monotonic()
        playback.track(1).submitted(now, 5.0)
        pages.player.play(sound(5.0), 1, now)
        pages.acks(sounding=False)
        await asyncio.sleep(0.05)
        assert playback.track(1).heard_s(now + 1.0) == pytest.approx(1.0)  # the estimate is used
        pages.acks(sounding=True, heard=[(1, 0.2)])
        await asyncio.sleep(0.02)
        assert playback.track(1).heard_s(now + 0.02) == pytest.approx(0.2, abs=0.1)

    attached(main)


def test_newcomer_is_told_all_that_it_missed():
    async def main(pages, _playback):
        now = time.monotonic()
        pages.player.caption(1, "Gone by.", True)
        pages.player.play(sound(0.5), 1, now - 10.0)
        pages.player.play(sound(3.0), 2, now - 1.0)
        pages.player.caption(2, "Going on.", False)
        pages.player.log_row("cycle", {"cycle": 1, "sync_error_s": 0.1, "prompt_characters": 500})
        pages.player.log_row("sample", {"at_s": 1.0, "delay_applied_s": 2.0})
        pages.says("hello", "late")
        ((welcome, _),) = await pages.sends("welcome")
        assert welcome["page"] == "late" and welcome["run"]["source"] == "clip"
        assert [line["text"] for line in welcome["transcript"]] == ["Gone by.", "Going on."]
        assert [row["kind"] for row in welcome["rows"]] == ["cycle", "sample"]
        assert "prompt_characters" not in welcome["rows"][0]
        sent = await pages.sends("sound", 6)
        assert {c["comment"] for c, _ in sent} == {2} and all(c["page"] == "late" for c, _ in sent)
        assert sum(len(b[0]) for _, b in sent) == 2 * 3 * PLAYBACK_RATE_HZ

    attached(main)


def test_comment_is_played_again_as_far_as_it_was_heard():
    async def main(pages, _playback):
        pages.player.play(sound(1.0, 5), 1, 0.0)
        pages.player.play(sound(1.0, 7), 1, 1.0)
        pages.player.cut(1, 1.25)
        pages.player.detach()
        pages.says("replay", comment=1)  # also when the run is over
        pages.says("replay", comment=99)
        one, none = pages.of("replay")
        samples = np.frombuffer(one[1][0], np.int16)
        assert len(samples) == 60_000 and set(samples[:48_000]) == {5} and set(samples[48_000:]) == {7}
        assert none[1] == [b""]

    attached(main)


def test_sound_kept_for_replays_is_bounded(monkeypatch):
    monkeypatch.setattr(page_memory, "SOUND_KEPT_SAMPLES", 3 * PLAYBACK_RATE_HZ)

    async def main(pages, _playback):
        for k in range(1, 11):
            pages.player.play(sound(1.0), k, float(k))
        assert sorted(pages.player._memory.comments) == [8, 9, 10]
        pages.player.play(sound(60.0), 11, 11.0)  # one alone is kept whatever its length
        assert sorted(pages.player._memory.comments) == [11]

    attached(main)


def test_ping_is_answered_also_without_a_run():
    pages = Pages()
    pages.says("ping", t0=1.5)
    ((pong, _),) = pages.of("pong")
    assert (
        pong["t0"] == 1.5 and abs(pong["t1"] - time.monotonic()) < 1 and abs(pong["unix"] - time.time()) < 1
    )
    pages.says("hello")
    assert pages.of("welcome")[0][0]["run"] is None
    pages.acks()
    pages.says("bye")


def test_drawn_frames_become_a_table():
    async def main(pages, _playback):
        pages.says("hello")
        epoch = pages.player._run["epoch_s"]
        pages.player.show(frame(4), epoch + 1.0)
        pages.acks(seq=0, draws=[(0, epoch + 0.8, epoch + 0.81, epoch + 1.005), (77, 0, 0, 0)])
        (row,) = pages.player.draws.to_dict("records")
        assert row == pytest.approx(
            {"page": "a", "frame_index": 4, "due_s": 1.0, "sent_s": 0.8, "received_s": 0.81, "drawn_s": 1.005}
        )

    attached(main)


def test_connection_that_breaks_drops_the_player_and_the_others_go_on():
    class Broken(Pages):
        def take(self, content, buffers=None):
            if content["kind"] == "frame":
                raise OSError("no route to the page")
            super().take(content, buffers)

    async def main():
        pages, failures = Broken(), []
        group = PlayerGroup([pages.player], lambda name, error: failures.append((name, str(error))))
        pages.says("hello")
        give_up = time.monotonic() + 60
        while not failures and time.monotonic() < give_up:
            pages.acks()  # it is alive
            group.show(frame(), time.monotonic())
            await asyncio.sleep(0.01)
        assert failures == [("page", "the pages cannot be reached: OSError: no route to the page")]
        assert group.players == [] and pages.player._loop is None

    asyncio.run(main())


def test_virtual_time_and_a_second_session_are_refused():
    async def main():
        player, failures = widget.LivePlayer(), []
        PlayerGroup([player], lambda name, error: failures.append(str(error)))
        assert "virtual time" in failures[0]

    virtually(main)

    async def twice():
        player = widget.LivePlayer()
        player.attach(PlaybackClock())
        with pytest.raises(RuntimeError, match="another session"):
            player.attach(PlaybackClock())
        player.detach()
        player.attach(PlaybackClock())
        player.detach()

    asyncio.run(twice())


def test_a_cell_that_computes_gives_the_threads_way_sooner_during_a_run():
    before_s = sys.getswitchinterval()

    async def main(pages, _playback):
        assert sys.getswitchinterval() == pytest.approx(min(before_s, 0.001))
        pages.player.detach()
        assert sys.getswitchinterval() == before_s
        pages.player.detach()  # a player may be detached twice
        assert sys.getswitchinterval() == before_s

    attached(main)
