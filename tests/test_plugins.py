"""Classes of other packages, found by entry points and by dotted names."""

from __future__ import annotations

import sys

import pytest

from commentator_lib.commentators.base import CommentatorError
from commentator_lib.commentators.factory import _BUILT_IN as BUILT_IN_COMMENTATORS
from commentator_lib.commentators.factory import known_commentators, make_commentator
from commentator_lib.plugins import entry_point_names, is_dotted
from commentator_lib.session import LiveSession
from commentator_lib.settings import COMMENTATORS, VOICES, Settings, SettingsError, load_settings
from commentator_lib.sources.base import SourceError
from commentator_lib.sources.open import known_sources, open_source
from commentator_lib.voices.factory import _BUILT_IN as BUILT_IN_VOICES
from commentator_lib.voices.factory import known_voices, make_voice
from commentator_lib.voices.hibari import HibariVoice

MODULE = """
from commentator_lib.commentators.base import Commentator, CommentatorError, CommentChunk
from commentator_lib.media import AudioChunk
from commentator_lib.sources.frames import FramesSource
from commentator_lib.voices.base import Voice
import numpy as np

class Haiku(Commentator):
    name = "haiku"
    has_cost_model = True
    def __init__(self, seed=0):
        self.seed = seed
    @classmethod
    def from_settings(cls, settings):
        return cls(settings.seed)
    def comment(self, request):
        yield CommentChunk("An old silent pond.", cost_s=0.5)

class Plain(Commentator):
    name = "plain"
    def comment(self, request):
        yield CommentChunk("...")

class Unfinished(Commentator):
    name = "unfinished"

class Absent(Plain):
    @classmethod
    def from_settings(cls, settings):
        raise CommentatorError("it needs a GPU")

class Hum(Voice):
    name = "hum"
    sample_rate_hz = 16000
    def speak(self, text):
        yield AudioChunk(np.full(16000, 0.1, np.float32), 16000)

class Colours(FramesSource):
    def __init__(self, level="9"):
        super().__init__([np.full((36, 64, 3), int(level), np.uint8)] * 50, spec=f"colours {level}")

class Asks:
    def __init__(self, what):
        raise OSError("no such camera")

number = 7
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Put a package `own` with entry points of all three kinds on the path."""
    (tmp_path / "own_classes.py").write_text(MODULE)
    (tmp_path / "broken_classes.py").write_text("import nothing_of_this_name")
    info = tmp_path / "own_package-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: own-package\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(
        "[commentator_lib.commentators]\nhaiku = own_classes:Haiku\nbaseline = own_classes:Plain\n"
        "[commentator_lib.voices]\nhum = own_classes:Hum\n"
        "[commentator_lib.sources]\ncolours = own_classes:Colours\nasks = own_classes:Asks\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    entry_point_names.cache_clear()
    yield
    entry_point_names.cache_clear()
    for name in ("own_classes", "broken_classes"):
        sys.modules.pop(name, None)


def test_names_of_settings_and_factories_agree():
    assert tuple(BUILT_IN_COMMENTATORS) == COMMENTATORS and tuple(BUILT_IN_VOICES) == VOICES


@pytest.mark.parametrize("name", ["haiku", "own_classes:Haiku", "own_classes.Haiku"])
def test_commentator_of_somebody_runs_by_its_name(package, name):
    settings = load_settings(environment={}, commentator=name, seed=5)
    commentator = make_commentator(settings)
    assert commentator.name == "haiku" and commentator.seed == 5
    s = LiveSession("synthetic:20", settings, mode="what-if").run()
    assert s.log.header["commentator"] == "haiku" and "pond" in s.log.cycle_rows[0]["text"]


@pytest.mark.parametrize("name", ["hum", "own_classes:Hum", "own_classes.Hum"])
def test_voice_of_somebody_is_the_one_that_speaks(package, name):
    assert make_voice(load_settings(environment={}, voice=name)).name == "hum"
    assert LiveSession("synthetic:5", Settings(voice=name), mode="replay").log.header["voice"] == "hum"


def test_voice_in_the_settings_is_read():
    assert isinstance(make_voice(Settings()), HibariVoice)
    own = make_voice(Settings(voice="tests.conftest:SilentVoice"))
    assert type(own).__name__ == "SilentVoice"


@pytest.mark.parametrize(
    ("name", "spec"),
    [
        ("colours:", "colours "),
        ("colours:200", "colours 200"),
        ("own_classes:Colours", "colours 9"),
        ("own_classes:Colours:30", "colours 30"),
        ("own_classes.Colours", "colours 9"),
    ],
)
def test_source_of_somebody_is_opened_by_its_name(package, name, spec):
    if name == "colours:":  # its text is empty, which this one cannot read
        with pytest.raises(SourceError, match="cannot be opened: ValueError"):
            open_source(name)
        return
    source = open_source(name)
    assert source.info.spec == spec and source.read().image.shape == (36, 64, 3)
    source.close()


@pytest.mark.slow
def test_session_on_a_named_source_can_be_started_again(package):
    s = LiveSession("colours:77", Settings(commentator="scripted"), mode="what-if").run()
    assert s.log.header["source"] == ["colours:77"] and s.log.header["frames_captured"] == 50
    assert s.run().log.header["frames_captured"] == 50


def test_known_names_tell_where_they_come_from(package):
    known = known_commentators()
    assert list(known)[: len(COMMENTATORS)] == list(COMMENTATORS) and known["baseline"] == "built in"
    assert known["haiku"] == "own-package 1.2 (own_classes:Haiku)"
    assert known_voices() == {**dict.fromkeys(VOICES, "built in"), "hum": "own-package 1.2 (own_classes:Hum)"}
    assert known_sources()["synthetic"] == "built in"
    assert known_sources()["colours"] == "own-package 1.2 (own_classes:Colours)"


def test_built_in_name_goes_before_an_installed_one(package):
    assert make_commentator(load_settings(environment={}, commentator="baseline")).name != "plain"


def test_misspelt_name_of_an_installed_class_is_told(package):
    with pytest.raises(SettingsError, match="did you mean haiku"):
        load_settings(environment={}, commentator="haikoo")
    with pytest.raises(SettingsError, match="did you mean hum"):
        load_settings(environment={}, voice="humm")


BAD = {
    "no module": ("nowhere_at_all:Haiku", "cannot be imported: ModuleNotFoundError"),
    "broken module": ("broken_classes:Haiku", "No module named 'nothing_of_this_name'"),
    "no class of that name": ("own_classes:Tanka", "own_classes has no Tanka"),
    "no class": ("own_classes:number", "is no class"),
    "another kind": ("own_classes:Colours", "is no (Commentator|Voice): derive it from"),
    "abstract": ("own_classes:Unfinished", "abstract method"),
}


@pytest.mark.parametrize("case", BAD)
def test_class_that_cannot_be_had_is_one_line(package, case):
    name, words = BAD[case]
    for make, settings in (
        (make_commentator, {"commentator": name}),
        (make_voice, {"voice": name}),
    ):
        if case == "abstract" and make is make_voice:
            continue
        with pytest.raises(SettingsError, match=words) as caught:
            make(load_settings(environment={}, **settings))
        assert "\n" not in str(caught.value) and name in str(caught.value)


def test_error_that_a_commentator_means_for_its_user_passes(package):
    with pytest.raises(CommentatorError, match="^it needs a GPU$"):
        make_commentator(load_settings(environment={}, commentator="own_classes:Absent"))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nowhere_at_all:Camera", "cannot be imported"),
        ("own_classes:Tanka:3", "has no Tanka"),
        ("own_classes:number", "is no class"),
        ("own_classes:Hum", "is no source"),
        ("own_classes:Asks:front", "cannot be opened: OSError: no such camera"),
        ("asks:front", "cannot be opened: OSError: no such camera"),
        ("nowhere.Camera", "no such file"),
        ("own.mp4", "no such file"),
        ("unknown://x", "unknown scheme 'unknown'; known are .*colours"),
    ],
)
def test_source_that_cannot_be_had_is_one_line(package, name, words):
    with pytest.raises(SourceError, match=words) as caught:
        open_source(name)
    assert "\n" not in str(caught.value)


def test_file_goes_before_a_class_of_that_name(package, tmp_path, monkeypatch):
    from tests.conftest import make_clip

    make_clip(tmp_path / "c.mp4", frames=3).rename(tmp_path / "own_classes:Colours")
    monkeypatch.chdir(tmp_path)
    assert open_source("own_classes:Colours").info.fps == 25.0 and not is_dotted("c mp4")
