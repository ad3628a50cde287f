"""LiveSession in real time: start, steer, stop, and nothing left behind."""

from __future__ import annotations

import gc
import threading
import time

import psutil
import pytest

from commentator_lib.commentators.base import Loading
from commentator_lib.commentators.scripted import CostModel, ScriptedCommentator
from commentator_lib.players.headless import HeadlessPlayer
from commentator_lib.runs.reader import load_run
from commentator_lib.runs.record import RunLogError
from commentator_lib.session import LiveSession
from commentator_lib.settings import Settings, SettingsError, live_settings
from commentator_lib.sources.base import SourceError
from commentator_lib.sources.synthetic import SyntheticSource
from tests.conftest import Hangs, Pictures, Says, ToneVoice, still, what_if

pytestmark = pytest.mark.realtime

QUICK = CostModel(0.05, 0.0, 0.4, 0.0, 0.1)


def session(duration_s=1.0, commentator=None, source=None, **more):
    settings = {
        "change_threshold": 0.0,
        "pause_s": 0.1,
        "commentator": "scripted",
        **more.pop("settings", {}),
    }
    return LiveSession(
        source or SyntheticSource(duration_s),
        Settings(**settings),
        commentator=commentator or ScriptedCommentator(cost=QUICK),
        voice=ToneVoice(),
        **more,
    )


def ours():
    return [t.name for t in threading.enumerate() if t.name in ("commentary", "capture", "inference")]


def eventually(condition, timeout_s=20.0):
    """Return whether a condition becomes true; the limit only ends a test that has failed."""
    end = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def test_live_run_shows_every_frame_and_speaks():
    s = session(2.0).run()
    assert s.log.header["frames_shown"] + s.log.header["frames_dropped"] == 50
    assert (s.log.cycles.outcome == "spoken").sum() >= 2
    assert s.log.samples.rss_bytes.notna().all() and s.status.state == "ended"
    assert ours() == []


def test_start_returns_while_it_runs_and_stop_ends_it():
    s = session(60.0).start()
    assert s.running and eventually(lambda: s.status.frames_shown > 5)
    s.stop()
    assert not s.running and ours() == []
    assert s.log.header["stopped_early"] is True and s.status.frames_shown < 1400


def test_stop_cuts_what_is_being_heard_and_logs_it():
    s = session(60.0, ScriptedCommentator(cost=CostModel(0.05, 0.0, 30.0, 0.0, 0.001))).start()
    assert eventually(lambda: s.log._pcm_samples or (s._run._parts and s._run._parts.headless._free_at_s > 0))
    time.sleep(0.3)
    s.stop()
    row = s.log.cycles.iloc[0]
    assert row.outcome == "interrupted" and row.reason == "the session was stopped"
    assert 0 < row.speech_s < 30 and len(row.heard_text) < len(row.text)


def test_stop_may_be_called_before_start_and_twice():
    s = session()
    s.stop()
    s.start().wait(20)
    s.stop()
    s.stop()
    assert s.status.state == "ended"


def test_start_and_stop_can_be_repeated(tmp_path):
    player = HeadlessPlayer()
    player.name = "extra"
    s = session(source="synthetic:60", run_dir=tmp_path / "run", players=[player])
    for _ in range(3):
        s.start()
        assert eventually(lambda: len(s.log.cycle_rows) >= 2 and s.status.frames_shown > 5)
        with pytest.raises(RuntimeError, match="is running"):
            s.start()
        s.stop()
        assert ours() == [] and s.log.header["stopped_early"] and s.log.cycles.cycle.iloc[0] == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["run", "run-2", "run-3"]
    assert all(len(load_run(p).cycles) >= 2 for p in tmp_path.iterdir())


def test_source_given_as_an_object_is_read_once():
    s = session(0.2).run()
    with pytest.raises(RuntimeError, match="by its name"):
        s.start()


def test_with_block_stops_at_its_end():
    with session(60.0) as s:
        assert s.running
    assert not s.running


@pytest.mark.parametrize("again", [True, False], ids=["one session", "new sessions"])
def test_fifty_starts_leave_no_thread_and_no_memory(again):
    process = psutil.Process()
    same = session(source="synthetic:60")

    def once():
        s = same if again else session(60.0)
        s.start()
        assert eventually(lambda: s.status.frames_captured > 1)
        s.stop()

    for _ in range(10):
        once()
    gc.collect()
    before = process.memory_info().rss
    files = process.num_fds()
    for _ in range(40):
        once()
    gc.collect()
    assert ours() == []
    assert process.num_fds() <= files + 2
    assert process.memory_info().rss - before < 20e6


def test_dropped_session_ends_by_itself():
    s = session(60.0).start()
    assert eventually(lambda: len(ours()) == 3)
    del s
    gc.collect()
    assert eventually(lambda: ours() == [])


def test_commentator_is_closed_at_the_end():
    class Closes(Says):
        gone = False

        def close(self):
            self.gone = True

    commentator = Closes("All is well here.")
    session(0.5, commentator).run()
    assert commentator.gone


def test_commentator_that_is_kept_stays_loaded_for_the_next_run():
    class Counts(Says):
        loads = closes = 0

        def warm_up(self):
            self.loads += 1

        def close(self):
            self.closes += 1

    commentator = Counts("All is well here.")
    for _ in range(2):
        s = session(0.5, commentator, keep_commentator=True).run()
        assert (s.log.cycles.outcome == "spoken").any()
    assert (commentator.loads, commentator.closes) == (2, 0) and ours() == []
    session(0.5, commentator).run()
    assert commentator.closes == 1


def test_status_tells_how_the_loading_gets_on_and_so_does_the_commentators_own_listener():
    class Slow(Says):
        go_on = threading.Event()

        def warm_up(self):
            self.say_loading("reading 3.1 of 8.5 GB", 0.36)
            self.go_on.wait(20)

    commentator, told = Slow("All is well here."), []
    commentator.on_loading = told.append
    s = session(0.5, commentator)
    assert s.status.loading is None
    s.start()
    try:
        assert eventually(lambda: s.status.loading is not None)
        assert s.status.loading == Loading("reading 3.1 of 8.5 GB", 0.36) and s.status.state == "starting"
    finally:
        Slow.go_on.set()
    s.wait(20)
    assert s.status.loading is None and told == [Loading("reading 3.1 of 8.5 GB", 0.36)]
    assert commentator.on_loading == told.append


def test_commentator_that_hangs_fails_its_cycle_and_the_picture_goes_on():
    hangs = Hangs()
    s = session(3.0, hangs, settings={"inference_timeout_s": 0.4, "delay_init_s": 0.5})
    s.start()
    try:
        assert eventually(lambda: len(s.log.cycle_rows) >= 1)
        shown = s.status.frames_shown
        assert eventually(lambda: s.status.frames_shown > shown + 10)
    finally:
        hangs.release.set()
    s.wait(20)
    assert s.log.cycle_rows[0]["reason"] == "the commentator gave no answer for 0.4 s"
    assert eventually(lambda: ours() == [])


def test_commentator_that_cannot_warm_up_ends_the_session_with_its_error():
    class Cold(Says):
        def warm_up(self):
            raise RuntimeError("no weights")

    s = session(1.0, Cold("x"))
    with pytest.raises(RuntimeError, match="no weights"):
        s.run()
    assert s.log.header["error"] == "RuntimeError: no weights" and ours() == []


def test_slow_reader_skips_to_the_present_and_counts():
    class Slow(SyntheticSource):
        def read(self, not_before_s=0.0):
            time.sleep(0.06)  # 25 fps wants 0.04
            frame = super().read()
            while frame is not None and frame.pts_s < not_before_s:
                self.skipped += 1
                frame = super().read()
            return frame

    s = session(source=Slow(3.0)).run()
    header = s.log.header
    assert header["frames_dropped"] > 5
    assert header["frames_captured"] + s.source.skipped == 75


def test_status_counts_from_zero_until_the_clock_starts_and_stands_after_the_end():
    class Slow(Says):
        loaded = threading.Event()

        def warm_up(self):
            self.loaded.wait(20)

    s = session(1.0, Slow("All is well here."))
    assert (s.status.state, s.status.now_s, s.status.shown_s, s.status.delay_s) == ("starting", 0.0, 0.0, 0.0)
    s.start()
    try:
        assert eventually(lambda: len(ours()) == 3)
        assert (s.status.state, s.status.now_s) == ("starting", 0.0)
    finally:
        Slow.loaded.set()
    assert eventually(lambda: 0 < s.status.now_s < 60)
    assert s.wait(20)
    ended = s.status
    assert ended.state == "ended" and 1.0 <= ended.now_s < 60 and s.status == ended


def test_instruction_before_start_holds():
    commentator = Says("All is well here.")
    s = session(0.6, commentator)
    s.set_instruction("Count the birds")
    s.run()
    assert "Count the birds" in commentator.prompts[0]


def test_bad_input_is_refused_before_anything_starts(tmp_path):
    with pytest.raises(SourceError):
        LiveSession("nowhere.mp4")
    with pytest.raises(SettingsError, match="unknown mode"):
        LiveSession(SyntheticSource(1.0), mode="dream")
    with pytest.raises(SettingsError, match="cost model"):
        LiveSession(SyntheticSource(1.0), commentator=Hangs(), mode="what-if")
    (tmp_path / "file").write_text("")
    with pytest.raises(RunLogError):
        session(run_dir=tmp_path / "file" / "run")
    s = session(1.0)
    with pytest.raises(SettingsError, match="did you mean pause_s"):
        s.update(pausee_s=1.0)
    with pytest.raises(SettingsError, match="cannot be changed while"):
        s.update(commentator="baseline")
    with pytest.raises(SettingsError, match="sports"):
        s.set_profile("sport")
    assert ours() == []


@pytest.mark.parametrize("name", Settings.model_fields)
def test_live_settings_change_in_mid_run_and_the_others_are_refused(name):
    s = session(1.0)
    value = getattr(s.settings, name)
    if name in live_settings():
        s.update(**{name: value})
    else:
        with pytest.raises(SettingsError, match=f"^{name} cannot be changed while a session runs"):
            s.update(**{name: value})


def test_replay_charges_what_calls_really_take():
    class Works(Says):
        def comment(self, request):
            end = time.perf_counter() + 0.2
            while time.perf_counter() < end:
                pass
            yield from super().comment(request)

    s = LiveSession(
        Pictures(6.0, still),
        Settings(change_threshold=0.0),
        commentator=Works("All is well here.", cost_s=0.0),
        voice=ToneVoice(),
        mode="replay",
    ).run()
    latency = s.log.cycles.first_sound_latency_s
    assert (latency >= 0.2).all() and latency.median() < 1.0
    assert s.log.header["virtual_time"] is True


def test_what_if_computes_nothing_and_samples_no_machine():
    s = what_if(20.0)
    assert s.log.samples.cpu_core_share.isna().all() and len(s.log.samples) >= 20


def test_display_buffer_is_bounded_and_loses_its_oldest():
    hangs = Hangs()
    s = session(
        4.0,
        commentator=hangs,
        source=Pictures(4.0, lambda t: still(t).repeat(20, 0).repeat(20, 1)),
        settings={"display_buffer_mb": 16, "inference_timeout_s": 0.2, "delay_init_s": 15.0},
    )
    s.start()
    try:
        assert eventually(lambda: s.status.frames_dropped > 5)
        assert s._run._parts.display.buffered * 720 * 1280 * 3 <= 16e6
    finally:
        hangs.release.set()
        s.stop()
