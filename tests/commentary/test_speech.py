"""Sentence streaming, the "..." rule, and voices that fail."""

from __future__ import annotations

import numpy as np
import pytest

from commentator_lib.commentary.speech import (
    MAX_COMMENT_CHARACTERS,
    MAX_COMMENT_SOUND_S,
    clean,
    is_nothing,
    speak_comment,
    split_sentences,
)
from commentator_lib.commentators.base import Commentator, CommentChunk, CommentRequest, StageTimes
from commentator_lib.media import PLAYBACK_RATE_HZ, AudioChunk
from commentator_lib.voices.base import Voice
from tests.conftest import BrokenVoice, Raises, Says, SilentVoice, ToneVoice

REQUEST = CommentRequest([], "", 100)


class WithVoice(Commentator):
    """Gives text and its own sound, a tenth of a second for each chunk."""

    name = "with voice"

    def __init__(self, chunks):
        self.chunks = chunks

    def comment(self, request):
        for text in self.chunks:
            yield CommentChunk(text, AudioChunk(np.full(2400, 0.1, np.float32), 24_000), 1)


def pieces(commentator, voice=None, speech=True):
    return list(speak_comment(commentator, voice, REQUEST, speech))


def text_of(found):
    return "".join(p.text for p in found).strip()


def seconds_of(found):
    return sum(len(p.pcm) for p in found if p.pcm is not None) / PLAYBACK_RATE_HZ


@pytest.mark.parametrize(
    "reply", [["..."], [".", ".", "."], ["  ...\n"], [], [""], ["…"], ["....."], [". . . . . ."]]
)
def test_nothing_to_say_is_silent_and_never_shown_or_spoken(reply):
    voice = ToneVoice()
    found = pieces(Says(reply), voice)
    assert found[-1].last and found[-1].silent
    assert text_of(found) == "" and seconds_of(found) == 0 and voice.spoken == []


@pytest.mark.parametrize("reply", [["..."], [".", ".", "."]])
def test_sound_of_a_commentators_own_voice_is_held_back_for_nothing(reply):
    found = pieces(WithVoice(reply), ToneVoice())
    assert found[-1].silent and seconds_of(found) == 0


def test_sound_is_held_back_until_more_than_five_characters_stand():
    found = pieces(WithVoice(["A ", "car", "s", " go."]), ToneVoice())
    with_sound = [k for k, p in enumerate(found) if p.pcm is not None]
    assert with_sound[0] == 2  # "A cars"
    assert found[2].text == "A cars"
    assert seconds_of(found) == pytest.approx(0.4, abs=0.001)


def test_short_comment_is_spoken_in_the_end():
    found = pieces(Says("Goal!"), ToneVoice())
    assert text_of(found) == "Goal!" and seconds_of(found) == pytest.approx(0.25, abs=0.001)


def test_each_sentence_is_spoken_as_soon_as_the_next_begins():
    voice = ToneVoice()
    stream = speak_comment(Says(["A car comes. ", "It ", "stops."]), voice, REQUEST)
    seen = []
    for piece in stream:
        seen.append(piece.text.strip())
        if piece.text.startswith("A car"):
            break
    assert voice.spoken == ["A car comes."]
    assert seen[-1] == "A car comes."
    rest = list(stream)
    assert voice.spoken == ["A car comes.", "It stops."]
    assert text_of(rest) == "It stops."


def test_text_only_streams_tokens_and_never_touches_the_voice():
    voice = ToneVoice()
    found = pieces(Says(["A taxi ", "comes ", "fast."]), voice, speech=False)
    assert [p.text for p in found if p.text] == ["A taxi ", "comes ", "fast."]
    assert voice.spoken == [] and seconds_of(found) == 0


def test_tokens_are_counted_and_costs_carried():
    found = pieces(Says(["One two three. ", "Four five."], cost_s=0.7), ToneVoice())
    assert sum(p.output_tokens for p in found) == 5
    assert [p.cost_s for p in found if p.cost_s is not None] == [0.7, 0.05]


def test_broken_voice_leaves_the_text():
    found = pieces(Says(["One two. ", "Three four. ", "Five six."]), BrokenVoice(good=1))
    assert text_of(found) == "One two. Three four. Five six."
    assert seconds_of(found) == pytest.approx(0.5, abs=0.05)
    assert found[-1].last and "no sound device" in found[-1].problem


def test_silent_voice_is_a_problem_not_a_comment():
    found = pieces(Says("Nothing can be heard."), SilentVoice())
    assert text_of(found) == "Nothing can be heard." and seconds_of(found) == 0
    assert "no sound" in found[-1].problem


def test_error_of_the_commentator_passes_through_and_closes_nothing_twice():
    with pytest.raises(ValueError, match="broken"):
        pieces(Raises(ValueError("broken")), ToneVoice())


def test_closing_closes_the_commentator():
    commentator = Says(["One two three four. ", "Five.", "Six."])
    stream = speak_comment(commentator, ToneVoice(), REQUEST)
    next(stream)
    stream.close()
    assert commentator.closed == 1


def test_ten_thousand_words_are_cut():
    commentator = Says(["word " * 10_000])
    found = pieces(commentator, speech=False)
    assert len(text_of(found)) <= MAX_COMMENT_CHARACTERS
    assert commentator.closed == 1


@pytest.mark.parametrize(
    "chunk",
    [
        CommentChunk("and on and on ", None, 3),
        CommentChunk("", None, 1),
        CommentChunk("", AudioChunk(np.full(24_000, 0.1, np.float32), 24_000), 25),
        CommentChunk("...", AudioChunk(np.full(2400, 0.1, np.float32), 24_000), 1),
    ],
    ids=["words", "nothing", "sound", "dots"],
)
def test_endless_commentator_is_ended(chunk):
    def forever():
        while True:
            yield chunk

    class Endless(Commentator):
        name = "endless"

        def comment(self, request):
            return forever()

    found = pieces(Endless(), ToneVoice())
    assert found[-1].last and len(text_of(found)) <= MAX_COMMENT_CHARACTERS
    assert seconds_of(found) <= MAX_COMMENT_SOUND_S + 1 or chunk.audio is None


def test_control_characters_become_spaces_and_scripts_stay():
    assert clean("a\x00b\x1b[31mc\u202ed\nе日本") == "a b [31mc d\nе日本"
    found = pieces(Says("\x07Машина едет.\x00"), speech=False)
    assert text_of(found) == "Машина едет."


@pytest.mark.parametrize(
    ("text", "nothing"),
    [
        ("...", True),
        ("", True),
        (" … ", True),
        ("?!", True),
        ("a", False),
        ("...yes", False),
        ("日本", False),
    ],
)
def test_is_nothing(text, nothing):
    assert is_nothing(text) is nothing


@pytest.mark.parametrize(
    ("text", "sentences", "rest"),
    [
        ("One. Two", ["One."], "Two"),
        ("One.", [], "One."),
        ("One! Two? Three", ["One!", "Two?"], "Three"),
        ('He said "no." Then', ['He said "no."'], "Then"),
        ("3.5 metres", [], "3.5 metres"),
        ("First\nsecond", ["First"], "second"),
        ("", [], ""),
    ],
)
def test_split_sentences(text, sentences, rest):
    assert split_sentences(text) == (sentences, rest)


def test_endless_sentence_is_cut_between_words():
    sentences, rest = split_sentences("word " * 100)
    assert sentences and all(len(s) <= 240 and s.endswith("word") for s in sentences)
    assert " ".join([*sentences, rest]).split() == ["word"] * 100


class OwnVoice(Commentator):
    """A commentator with a voice of its own, which may fail in the middle; its text goes on."""

    name = "own voice"
    has_voice = True

    def __init__(self, problem=""):
        self.problem = problem

    def warm_up(self):
        pass

    def comment(self, request):
        tone = AudioChunk(np.full(24_000, 0.1, np.float32), 24_000)
        yield CommentChunk(
            "A whole sentence is here. ", None if self.problem else tone, 5, problem=self.problem
        )
        yield CommentChunk("And one more.", None, 3, stage_times=StageTimes(decode_s=0.5))


def test_a_commentator_with_a_voice_is_never_spoken_over_by_the_embedded_one():
    class Refuses(Voice):
        name, sample_rate_hz = "refuses", 24_000

        def speak(self, text):
            raise AssertionError("the embedded voice was asked")

    for problem in ("", "voice: broken"):
        pieces = list(speak_comment(OwnVoice(problem), Refuses(), CommentRequest([], "", 10)))
        assert "".join(piece.text for piece in pieces) == "A whole sentence is here. And one more."
        assert pieces[-1].last and pieces[-1].problem == problem
        assert (sum(len(p.pcm) for p in pieces if p.pcm is not None) > 40_000) == (not problem)
        assert StageTimes(decode_s=0.5) in [piece.stage_times for piece in pieces]
