"""Sentence streaming, the "..." rule, and voices that fail."""

from __future__ import annotations

import numpy as np
import pytest

from commentator_lib.commentary.speech import (
    MAX_COMMENT_CHARACTERS,
    MAX_COMMENT_SOUND_S,
    clean,
    heard_sentences,
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
    assert clean("half \ud83d") == "half  "
    england, family, persian = "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "👨‍👩‍👧", "می‌رود"
    assert clean(f"{england} {family} {persian}") == f"{england} {family} {persian}"
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
        (
            "Halden vs. Leeds. No. 9 scores, e.g. now. J. Smith",
            ["Halden vs. Leeds.", "No. 9 scores, e.g. now."],
            "J. Smith",
        ),
        ("5 min. left. He runs", ["5 min. left."], "He runs"),
        ("Wait... what? Yes", ["Wait...", "what?"], "Yes"),
        ("球进了！观众站了起来。他们", ["球进了！", "观众站了起来。"], "他们"),
        ("他说「进了！」然后", ["他说「进了！」"], "然后"),
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


# --- what is shown, and what is spoken


def cut(text, *sizes):
    parts, at = [], 0
    while at < len(text):
        for size in sizes:
            parts.append(text[at : at + size])
            at += size
    return [part for part in parts if part]


MARKED = (
    "**Goal!** The *striker* scores 2–1 ⚽🔥.\n\n- Player: `No. 9`\n## Replay of [the goal](http://x.org)\n"
)


@pytest.mark.parametrize("sizes", [(1,), (3, 2), (1000,)])
def test_captions_are_without_marks_and_speech_is_written_out(sizes):
    voice = ToneVoice()
    found = pieces(Says(cut(MARKED, *sizes)), voice)
    assert (
        " ".join(text_of(found).split())
        == "Goal! The striker scores 2–1 ⚽🔥. Player: No. 9 Replay of the goal"
    )
    assert voice.spoken == ["Goal!", "The striker scores 2 to 1.", "Player: number 9.", "Replay of the goal."]


@pytest.mark.parametrize("sizes", [(1,), (3, 2), (1000,)])
def test_text_that_is_only_shown_is_without_marks_too(sizes):
    found = pieces(Says(cut(MARKED, *sizes)), speech=False)
    assert (
        " ".join(text_of(found).split())
        == "Goal! The striker scores 2–1 ⚽🔥. Player: No. 9 Replay of the goal"
    )


def test_a_comment_of_marks_or_dots_is_nothing():
    for reply in ("**...**", "---", "# ", "``"):
        assert pieces(Says(reply), ToneVoice())[-1].silent


def test_an_emoji_is_shown_and_not_spoken():
    voice = ToneVoice()
    found = pieces(Says("⚽🔥\nWhat a goal it is."), voice)
    assert text_of(found) == "⚽🔥\nWhat a goal it is." and voice.spoken == ["What a goal it is."]


# --- what was said before


def again(replies, before, voice=None, speech=True, commentator=Says):
    return list(speak_comment(commentator(replies), voice, REQUEST, speech, before=before))


def test_a_sentence_that_was_just_said_is_left_out():
    voice = ToneVoice()
    found = again(["The ball is red! ", "It rolls. It rolls. ⚽"], ["The ball is red."], voice)
    assert text_of(found) == "It rolls." and voice.spoken == ["It rolls."]
    assert found[-1].repeated_sentences == 2 and not found[-1].silent


def test_a_comment_of_repeats_is_silent_with_a_reason():
    for speech in (True, False):
        found = again(
            ["The ball ", "is red. It ", "rolls."], ["It rolls.", "The ball is red."], ToneVoice(), speech
        )
        assert found[-1].silent and found[-1].repeated_sentences == 2
        assert found[-1].reason.startswith("said a moment ago: 'The ball is red.") and text_of(found) == ""


def test_where_text_is_only_shown_new_words_wait_no_longer_than_they_are_the_old_ones():
    found = again(["The ball ", "is red ", "and white."], ["The ball is red."], None, False)
    assert [piece.text for piece in found if piece.text] == ["The ball is red and white."]
    found = again(["A brown dog ", "runs."], ["The ball is red."], None, False)
    assert [piece.text for piece in found if piece.text] == ["A brown dog ", "runs."]


def test_sound_of_a_commentators_own_voice_goes_with_its_words():
    said = ["The ball is red."]
    assert seconds_of(again(["The ball ", "is red."], said, commentator=WithVoice)) == 0
    found = again(["The ball ", "is blue."], said, commentator=WithVoice)
    assert text_of(found) == "The ball is blue." and seconds_of(found) == pytest.approx(0.2, abs=0.01)


def test_without_a_memory_anything_may_be_said_again():
    assert text_of(again(["Goal! Goal!"], None, ToneVoice())) == "Goal! Goal!"
    assert text_of(again(["Goal! Goal!"], [], ToneVoice())) == "Goal!"


# --- languages, and voices that stream


class EnglishVoice(ToneVoice):
    languages = ("en",)


def test_what_the_voice_cannot_read_is_shown_with_a_reason_and_no_failure():
    voice = EnglishVoice()
    found = pieces(Says("一个红色的球滚过草地。它停了。"), voice)
    assert text_of(found) == "一个红色的球滚过草地。它停了。" and voice.spoken == []
    assert (
        found[-1].problem == ""
        and found[-1].reason == "shown, not spoken: Chinese characters, and tone speaks English"
    )
    found = pieces(Says("A goal for 皇马! 进球了。"), voice)
    assert voice.spoken == ["A goal for 皇马!"] and text_of(found) == "A goal for 皇马! 进球了。"


class StreamingVoice(ToneVoice):
    """Gives each word's sound by itself, 0.25 s; fails before piece `fails_at`."""

    streams = True

    def __init__(self, fails_at=None):
        super().__init__()
        self.fails_at, self.given, self.closed = fails_at, 0, 0

    def speak(self, text):
        self.spoken.append(text)
        try:
            for k, word in enumerate(text.split()):
                if k == self.fails_at:
                    raise OSError("gone")
                self.given += 1
                yield from ToneVoice().speak(word)
        finally:
            self.closed += 1


def test_a_streaming_voice_is_heard_before_its_sentence_is_whole():
    voice = StreamingVoice()
    stream = speak_comment(Says("One two three four five six."), voice, REQUEST)
    first = next(piece for piece in stream if piece.pcm is not None)
    assert voice.given < 6 and first.text.startswith("One")
    rest = list(stream)
    assert (first.text + "".join(p.text for p in rest)).strip() == "One two three four five six."
    assert seconds_of([first, *rest]) == pytest.approx(1.5, abs=0.01)
    assert all(p.pcm is not None for p in rest if p.text)


def test_a_streaming_voice_may_be_stopped_and_may_fail():
    voice = StreamingVoice()
    stream = speak_comment(Says("One two three four five six."), voice, REQUEST)
    next(piece for piece in stream if piece.pcm is not None)
    stream.close()
    assert voice.closed == 1
    found = pieces(Says("One two three four five six."), StreamingVoice(fails_at=2))
    assert text_of(found) == "One two three four five six." and "gone" in found[-1].problem
    assert seconds_of(found) == pytest.approx(0.5, abs=0.03)


def test_what_was_heard_of_a_comment_keeps_its_sentences():
    text = "Player: No. 9\nReplay of it. And on it goes"
    assert heard_sentences(text, " ".join(text.split())) == [
        "Player: No. 9",
        "Replay of it.",
        "And on it goes",
    ]
    assert heard_sentences(text, "Player: No. 9 Replay") == ["Player: No. 9", "Replay", ""]
    assert heard_sentences("", "") == []
