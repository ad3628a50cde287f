"""What a sweep file may contain, and how a bad one is refused."""

from __future__ import annotations

import pytest

from commentator_lib.settings import SettingsError
from experiments.sweeping import jobs
from experiments.sweeping.jobs import load_sweep, plan_jobs
from experiments.sweeping.sweep_file import SweepError
from tests.experiments.sweeping.conftest import ROOT, SMALL, command, write_sweep_file


def test_every_combination_is_one_job_with_a_key_of_its_own(tmp_path):
    found = plan_jobs(load_sweep(write_sweep_file(tmp_path)))
    assert len(found) == 8 and len({j.key for j in found}) == 8
    assert found[0].settings == {"commentator": "scripted", "frame_stride": 1, "change_threshold": 0}


def test_a_key_depends_on_all_that_makes_a_run(tmp_path, monkeypatch):
    first = plan_jobs(load_sweep(write_sweep_file(tmp_path)))[0].key
    for old, new in (
        ("duration_s = 20", "duration_s = 21"),
        ("minicpmo_h100", "rtx4090_published"),
        ("[grid]", "[settings]\npause_s = 0.5\n[grid]"),
        ("[grid]", "[spotter]\nmisread = 0.5\n[grid]"),
    ):
        assert plan_jobs(load_sweep(write_sweep_file(tmp_path, SMALL.replace(old, new))))[0].key != first, new
    monkeypatch.setattr(jobs, "RENDER_VERSION", 0)  # other pictures of the same match
    assert plan_jobs(load_sweep(write_sweep_file(tmp_path)))[0].key != first


@pytest.mark.parametrize(
    "path", sorted((ROOT / "experiments" / "sweeps").glob("*.toml")), ids=lambda p: p.stem
)
def test_shipped_sweeps_can_be_run(path):
    assert len(plan_jobs(load_sweep(path))) >= 2


def test_the_sweep_of_make_sweep_has_a_thousand_runs_of_ten_minutes():
    found = load_sweep(ROOT / "experiments" / "sweeps" / "stride_threshold_cap.toml")
    assert len(plan_jobs(found)) >= 1000 and found.duration_s == 600


BAD = {
    "unknown setting": ("frame_stride = [1, 2]", "frame_strid = [1, 2]", "did you mean frame_stride"),
    "empty grid": ("frame_stride = [1, 2]", "frame_stride = []", "the grid of frame_stride is empty"),
    "no list": ("frame_stride = [1, 2]", "frame_stride = 2", "give a list"),
    "out of range": ("frame_stride = [1, 2]", "frame_stride = [1, 9]", "frame_stride = 9"),
    "wrong type": ("frame_stride = [1, 2]", 'frame_stride = ["two"]', "frame_stride = 'two'"),
    "unknown entry": ("seeds", "seds", "did you mean seeds"),
    "mode": ('"what-if"', '"what"', "must be one of what-if, replay, live"),
    "no cost": ('costs = ["minicpmo_h100"]', "", "what-if needs a cost"),
    "unknown cost": ("minicpmo_h100", "minicpmo_a100", "shipped are"),
    "bad seed": ("seeds = [0, 1]", "seeds = [-1]", "whole numbers"),
    "no seeds": ("seeds = [0, 1]", "seeds = []", "seeds must be a list"),
    "seed in the grid": ("[grid]", "[grid]\nseed = [1]", "not swept by the grid"),
    "length": ("duration_s = 20", "duration_s = 5", "duration_s = 5 is out of range"),
    "length in words": ("duration_s = 20", 'duration_s = "long"', "number of seconds"),
    "clip": ("seeds", 'clips = ["match:x"]\nseeds', "write match:SEED"),
    "film in what-if": ("seeds", 'clips = ["film.mp4"]\nseeds', "scripted matches only"),
    "no film": ('mode = "what-if"', 'mode = "replay"\nclips = ["no.mp4"]', "no such file"),
    "costs in replay": ('"what-if"', '"replay"', "belong to mode what-if"),
    "spotter": ("[grid]", "[spotter]\nluck = 1.0\n[grid]", "no 'luck'"),
    "share": ("[grid]", "[spotter]\nmisread = 2\n[grid]", "is a share"),
    "window": ("frame_stride = [1, 2]", "frames_per_inference = [10]\nframe_stride = [4]", "window_frames"),
    "no TOML": ("[grid]", "[grid", "not valid TOML"),
    "name that leads out": ("seeds", 'name = "../evil"\nseeds', "must be the name of a folder"),
    "name from the root": ("seeds", 'name = "/tmp/evil"\nseeds', "must be the name of a folder"),
    "name of the folder itself": ("seeds", 'name = "."\nseeds', "must be the name of a folder"),
    "name on two lines": ("seeds", 'name = "a\\nb"\nseeds', "must be the name of a folder"),
    "name that is a number": ("seeds", "name = 5\nseeds", "must be the name of a folder"),
    "height": ("seeds", "height = 0\nseeds", "even number of pixels"),
    "height without end": ("seeds", "height = 1000000\nseeds", "even number of pixels"),
    "seed without end": ("seeds = [0, 1]", "seeds = [99999999999999]", "whole numbers"),
    "seed twice": ("seeds = [0, 1]", "seeds = [1, 1]", "has 1 twice"),
    "value twice": ("frame_stride = [1, 2]", "frame_stride = [2, 2]", "has 2 twice"),
    "clip without end": ("seeds", f'clips = ["match:{"9" * 400}"]\nseeds', "write match:SEED"),
    "in the grid and fixed": ("[grid]", "[settings]\nframe_stride = 1\n[grid]", "give it once"),
    "commentator": ("[grid]", '[settings]\ncommentator = "baseline"\n[grid]', "leave commentator out"),
    "trait that is no number": ("[grid]", "[spotter]\nmedian_tokens = inf\n[grid]", "not negative"),
    "cost that no file can be": ("minicpmo_h100", "a\\u0000b", "NUL"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_files_are_named_in_one_line(case, tmp_path):
    old, new, message = BAD[case]
    text = SMALL.replace('costs = ["minicpmo_h100"]', "") if case == "no film" else SMALL
    assert old in text
    with pytest.raises((SweepError, SettingsError), match=message) as error:
        load_sweep(write_sweep_file(tmp_path, text.replace(old, new)))
    assert "\n" not in str(error.value)


@pytest.mark.slow
def test_the_command_ends_with_2_and_makes_nothing(tmp_path):
    bad = write_sweep_file(tmp_path, SMALL.replace("[1, 2]", "[]"))
    good = write_sweep_file(tmp_path, name="good")
    out = write_sweep_file(tmp_path, 'name = "../evil"\n' + SMALL, "out")
    for arguments in ([bad], [out], [tmp_path / "none.toml"], [good, "--jobs", 0]):
        done = command(*arguments, "--out", tmp_path / "out")
        assert done.returncode == 2 and "Traceback" not in done.stderr and done.stderr.count("\n") == 1
        assert not (tmp_path / "out").exists()


def test_events_of_another_clip_are_refused(tmp_path):
    from experiments.match_clip.events import Stretch, Truth, save_events
    from tests.conftest import make_clip

    clip = make_clip(tmp_path / "clip.mp4")
    save_events(Truth(1.0, (), (Stretch("action", 0.0, 1.0),)), tmp_path / "clip.events.json", clip)
    text = SMALL.replace('"what-if"', '"replay"').replace('costs = ["minicpmo_h100"]', f'clips = ["{clip}"]')
    load_sweep(write_sweep_file(tmp_path, text))
    make_clip(clip, frames=10)
    with pytest.raises(SweepError, match="another clip"):
        load_sweep(write_sweep_file(tmp_path, text))
