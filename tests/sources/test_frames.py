"""Frames that a program hands over, sources without the base class, and invalid pictures."""

from __future__ import annotations

import numpy as np
import pytest

from commentator_lib.commentators.scripted import CostModel, ScriptedCommentator
from commentator_lib.media import Frame
from commentator_lib.session import LiveSession
from commentator_lib.settings import Settings
from commentator_lib.sources.base import SourceError
from commentator_lib.sources.frames import FramesSource
from commentator_lib.sources.open import open_source
from commentator_lib.sources.synthetic import SyntheticSource
from tests.conftest import Pictures, picture, still

NAN = float("nan")


def pictures(count):
    return [picture(k, 64, 36) for k in range(count)]


def run(source, **more):
    commentator = ScriptedCommentator(cost=CostModel(0.1, 0.0, 0.5, 0.0, 0.1))
    settings = Settings(change_threshold=0.0, commentator="scripted")
    return LiveSession(source, settings, commentator=commentator, mode="what-if", **more).run()


@pytest.mark.parametrize(
    "given",
    [
        lambda: pictures(50),
        lambda: tuple(pictures(50)),
        lambda: np.stack(pictures(50)),
        lambda: (image for image in pictures(50)),
        lambda: [Frame(k, k / 25, NAN, image) for k, image in enumerate(pictures(50))],
        lambda: (Frame(k, 7 + k / 25, NAN, image) for k, image in enumerate(pictures(50))),
    ],
    ids=["list", "tuple", "array", "generator", "frames", "generator of frames"],
)
def test_session_and_open_source_take_frames(given):
    s = run(given())
    assert s.log.header["frames_captured"] == 50 and s.log.header["source_problem"] == ""
    assert s.log.header["source"] == ["frames"] and len(s.log.cycle_rows) >= 1
    source = open_source(given(), duration_s=1.0)
    assert len(list(iter(source.read, None))) == 25
    source.close()


def test_rate_and_length_of_frames():
    assert FramesSource(pictures(50)).info.duration_s == 2.0
    assert FramesSource(pictures(50), fps=10).info.duration_s == 5.0
    assert FramesSource(iter(pictures(50))).info.duration_s is None
    source = FramesSource(pictures(50), fps=10)
    assert [source.read().pts_s for _ in range(3)] == [0.0, 0.1, 0.2]
    assert (source.read(1.0).index, source.skipped) == (10, 7)
    for fps in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(SourceError, match="frames a second"):
            FramesSource(pictures(2), fps=fps)


def test_generator_is_closed_with_its_session():
    ended = []

    def frames():
        try:
            yield from pictures(50)
        finally:
            ended.append(True)

    source = FramesSource(frames())
    source.read()
    source.close()
    assert ended == [True]


def test_frames_can_be_read_once():
    s = run(pictures(10))
    with pytest.raises(RuntimeError, match="by its name"):
        s.start()


NO_IMAGE = {
    "grey": (np.zeros((36, 64), np.uint8), r"shape \(36, 64\) and type uint8", "np.stack"),
    "float32": (np.zeros((36, 64, 3), np.float32), r"shape \(36, 64, 3\) and type float32", "255"),
    "RGBA": (np.zeros((36, 64, 4), np.uint8), r"shape \(36, 64, 4\) and type uint8", r"\.\.\., :3"),
    "four dimensions": (np.zeros((1, 36, 64, 3), np.uint8), r"shape \(1, 36, 64, 3\)", "wanted"),
    "empty": (np.zeros((0, 64, 3), np.uint8), r"shape \(0, 64, 3\)", "wanted"),
    "no array": ([[0, 0, 0]], "is a list", "NumPy array"),
}


@pytest.mark.parametrize("case", NO_IMAGE)
def test_what_is_no_picture_is_refused_at_the_first_frame_in_one_line(case):
    image, words, hint = NO_IMAGE[case]

    def refused(call):
        with pytest.raises(SourceError, match=words) as caught:
            call()
        line = str(caught.value)
        assert "wanted is (height, width, 3) uint8 RGB" in line and "\n" not in line

    refused(lambda: open_source([image]))
    refused(lambda: run(image for _ in range(9)))
    refused(lambda: run(Pictures(2.0, lambda _: image)))  # a Source of somebody's own
    with pytest.raises(SourceError, match=hint):
        open_source([image])


def test_one_picture_for_many_and_other_arrays_are_refused_with_a_hint():
    with pytest.raises(SourceError, match=r"shape \(36, 64, 3\).*\[image\] makes frames of one picture"):
        open_source(np.zeros((36, 64, 3), np.uint8))
    with pytest.raises(SourceError, match=r"shape \(9,\); wanted is \(N, height, width, 3\)"):
        open_source(np.zeros(9, np.uint8))


def test_generator_that_fails_at_its_first_frame_is_one_line():
    def frames():
        yield from []
        raise OSError("no camera\nnot even one")

    with pytest.raises(SourceError, match="^the first frame cannot be read: OSError: no camera$"):
        open_source(frames())


@pytest.mark.parametrize("given", [lambda: pictures(2), b"bytes", {"a": 1}])
def test_functions_bytes_and_tables_are_no_frames(given):
    with pytest.raises(SourceError, match="is no source") as caught:
        open_source(given)
    assert ("call it" in str(caught.value)) == callable(given)


def test_refused_source_leaves_a_log_and_no_failed_cycle():
    s = LiveSession(
        Pictures(2.0, lambda _: np.zeros((36, 64), np.uint8)),
        Settings(commentator="scripted"),
        mode="what-if",
    )
    with pytest.raises(SourceError):
        s.run()
    assert s.log.cycle_rows == [] and "uint8" in s.log.header["error"]


def test_picture_that_changes_its_type_in_mid_run_ends_the_source_and_not_the_run():
    wrong = np.zeros((36, 64), np.uint8)
    s = run(Pictures(4.0, lambda at_s: still(at_s) if at_s < 2 else wrong))
    assert s.log.header["frames_captured"] == 50 and s.log.header["error"] is None
    assert "shape (36, 64)" in s.log.header["source_problem"]
    assert not [row for row in s.log.cycle_rows if row["outcome"] == "failed"]


def test_read_that_returns_something_else_is_refused():
    class Arrays(SyntheticSource):
        def read(self, not_before_s=0.0):
            return super().read(not_before_s).image

    with pytest.raises(SourceError, match="returned a ndarray; wanted is a Frame"):
        run(Arrays(2.0))


class OnlyDocumented:
    """A source with info, read and close alone: the documented members, without the base class and its defaults."""

    def __init__(self):
        self.info = SyntheticSource(2.0).info
        self.closed = False
        self._left = 50

    def read(self, not_before_s=0.0):
        self._left -= 1
        k = 49 - self._left
        return Frame(k, k / 25, NAN, still(0)) if self._left >= 0 else None

    def close(self):
        self.closed = True


def test_source_with_the_documented_members_alone_runs():
    source = OnlyDocumented()
    s = run(source)
    assert s.log.header["frames_captured"] == 50 and s.log.header["frames_dropped"] == 0
    assert source.closed and s.status.frames_dropped == 0


def test_source_whose_problem_is_a_property_may_die():
    class ReadOnly(SyntheticSource):
        problem = property(lambda self: "")

        def __init__(self):
            pass

        info = SyntheticSource(2.0).info

        def read(self, not_before_s=0.0):
            raise OSError("the cable was pulled")

    assert run(ReadOnly()).log.header["source_problem"] == "OSError: the cable was pulled"


@pytest.mark.slow
def test_source_that_cannot_be_interrupted_still_stops():
    class Stubborn(SyntheticSource):
        def interrupt(self):
            raise RuntimeError("not now")

    s = LiveSession(Stubborn(60.0), Settings(commentator="scripted"), voice=None)
    s.start()
    s.stop()
    assert not s.running and "interrupting the source: RuntimeError: not now" in s.log.header["notes"]


@pytest.mark.parametrize("given", [7, None, object()])
def test_what_is_no_source_is_told_in_one_line(given):
    with pytest.raises(SourceError, match="is no source: give a name") as caught:
        open_source(given)
    assert "\n" not in str(caught.value)


def test_info_must_be_a_source_info():
    class Wrong(OnlyDocumented):
        def __init__(self):
            self.info = {"fps": 25}

    with pytest.raises(SourceError, match="Wrong.info is a dict; wanted is a SourceInfo"):
        open_source(Wrong())
