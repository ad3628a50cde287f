"""A run's folder belongs to one session, is written once, and is missed when it is gone."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
import time

import pytest

from commentator_lib.runs.claim import Claim, is_claimed
from commentator_lib.runs.log import RunLog, finish_run
from commentator_lib.runs.reader import load_run
from commentator_lib.runs.record import RunLogError
from commentator_lib.session import LiveSession
from commentator_lib.settings import Settings
from tests.conftest import Hangs, Pictures, Says, still

HOLD = """
import sys, time
from commentator_lib.runs.log import RunLog
log = RunLog(sys.argv[1], {})
print("held", flush=True)
time.sleep(60)
"""


def session(folder, seconds=30.0, **more):
    more = {"commentator": Says("All is well."), "watchers": [], **more}
    settings = Settings(change_threshold=0.0, commentator="scripted", speech=False)
    return LiveSession(Pictures(seconds, still), settings, run_dir=folder, **more)


def test_second_session_in_a_folder_is_refused_and_the_first_goes_on(tmp_path):
    first = session(tmp_path / "run", 1.0)
    with pytest.raises(RunLogError, match="holds a run already: name another run folder"):
        session(tmp_path / "run", 1.0)
    first.run()
    assert load_run(tmp_path / "run").header["finished"] is True
    assert first.log.problem == "" and not (tmp_path / "run" / "run.lock").exists()


def test_used_folder_is_refused_in_one_line_and_stays_as_it_is(tmp_path):
    RunLog(tmp_path / "run", {"mode": "live"}).finish({"mark": 7})
    with pytest.raises(RunLogError) as caught:
        RunLog(tmp_path / "run", {})
    assert "\n" not in str(caught.value) and "remove this one" in str(caught.value)
    assert load_run(tmp_path / "run").header["mark"] == 7
    assert not (tmp_path / "run" / "run.lock").exists()


def test_two_at_once_of_which_none_has_written_yet(tmp_path):
    claim = Claim(tmp_path / "run")
    with pytest.raises(RunLogError, match="another session writes into"):
        Claim(tmp_path / "run")
    claim.release()
    claim.release()
    Claim(tmp_path / "run").release()


def test_only_one_of_many_threads_gets_a_folder(tmp_path):
    got, barrier = [], threading.Barrier(8)

    def claim():
        barrier.wait()
        try:
            got.append(RunLog(tmp_path / "run", {}))
        except RunLogError:
            return

    threads = [threading.Thread(target=claim) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(got) == 1
    got[0].finish({})


def test_lock_of_another_process_holds_until_it_is_killed(tmp_path):
    folder = tmp_path / "run"
    with subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE) as other:
        try:
            assert other.stdout.readline() == b"held\n"
            (folder / "run.json").rename(tmp_path / "header")  # as if it were about to write it
            with pytest.raises(RunLogError, match="another session writes into"):
                RunLog(folder, {})
            (tmp_path / "header").rename(folder / "run.json")
            with pytest.raises(RunLogError, match="still going on"):
                finish_run(folder)
        finally:
            other.kill()
    assert (folder / "run.lock").exists() and not is_claimed(folder)
    assert finish_run(folder) is True  # what it left behind holds nothing
    (folder / "run.json").unlink()
    RunLog(folder, {}).finish({})


def test_repeated_starts_take_the_next_free_number(tmp_path):
    s = LiveSession(
        "synthetic:3",
        Settings(commentator="scripted", speech=False),
        mode="what-if",
        run_dir=tmp_path / "run",
    ).run()
    RunLog(tmp_path / "run-2", {}).finish({})
    s.run()
    assert s.log.folder == tmp_path / "run-3"
    s.run()
    assert s.log.folder == tmp_path / "run-4" and load_run(tmp_path / "run-4").header["finished"]


@pytest.mark.realtime
@pytest.mark.parametrize("how", ["removed", "moved", "replaced"])
def test_folder_that_goes_in_mid_run_ends_it_within_a_second(tmp_path, how):
    folder = tmp_path / "run"
    s = session(folder).start()
    deadline = time.monotonic() + 20
    while not s.status.frames_shown and time.monotonic() < deadline:
        time.sleep(0.02)
    if how == "moved":
        folder.rename(tmp_path / "elsewhere")
    else:
        shutil.rmtree(folder)
    if how == "replaced":
        folder.mkdir()
        (folder / "run.lock").touch()
    gone_s = time.monotonic()
    while not s.log.problem and time.monotonic() < gone_s + 5:
        time.sleep(0.01)
    noticed_s = time.monotonic() - gone_s
    assert s.wait(5) and s.status.state == "ended"
    assert noticed_s < 1.3  # the sample of each second, on a busy machine
    assert s.log.problem == f"the run folder {folder} was removed or moved during the run"
    assert not folder.exists() or [f.name for f in folder.iterdir()] == ["run.lock"]


@pytest.mark.realtime
def test_folder_that_goes_while_the_model_loads_ends_the_run(tmp_path):
    class LoadsLong(Hangs):
        def warm_up(self):
            self.release.wait(60)

    slow = LoadsLong()
    s = session(tmp_path / "run", commentator=slow).start()
    time.sleep(0.3)
    shutil.rmtree(tmp_path / "run")
    began_s = time.monotonic()
    while not s.log.problem and time.monotonic() < began_s + 5:
        time.sleep(0.01)
    assert time.monotonic() - began_s < 5
    slow.release.set()
    assert s.wait(10)
