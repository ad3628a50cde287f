"""Speech from a server: found out by the trial, put together with its words, left to the voice where there is none."""

from __future__ import annotations

import dataclasses
import json
import logging

import numpy as np
import pytest

from commentator_lib.commentary.speech import speak_comment
from commentator_lib.commentators.base import CommentatorError, CommentChunk
from commentator_lib.commentators.openai.commentator import OpenAICommentator
from commentator_lib.commentators.openai.speech import (
    Pace,
    ServerSpeech,
    Sound,
    SpokenAnswer,
    WaitingWords,
    refuses_speech,
    sound_in,
    weight,
)
from commentator_lib.conformance import CommentatorConformance
from commentator_lib.session import LiveSession
from experiments.benchmarks import words_speech
from experiments.benchmarks.words_servers import Reply, chat_server, event, refused, said
from experiments.benchmarks.words_speech import RATE_HZ, TEXT, WORDS, a_request, asks_for_sound, wav_of
from tests.commentators.openai.conftest import SECRET, Moves, settings_for
from tests.conftest import ToneVoice


def speaks(body):
    return Reply(words_speech.wav_events() if asks_for_sound(body) else said(*WORDS))


def warm(url, **changes):
    commentator = OpenAICommentator(settings_for(url, api_retries=0, **changes), lambda _s: None)
    commentator.warm_up()
    return commentator


def sound_event(samples, **more):
    import base64

    return Sound(base64.b64encode(np.asarray(samples, "<i2").tobytes()).decode(), **more)


def tone(seconds, rate_hz=RATE_HZ):
    return np.full(round(seconds * rate_hz), 9000, np.int16)


# --- every way in which servers speak


@pytest.mark.parametrize("case", sorted(words_speech.CASES))
def test_case(case, tmp_path):
    assert words_speech.CASES[case](tmp_path) == ""


# --- what an event holds


def test_the_three_dialects():
    choice = {"delta": {"content": "UklG"}, "audio_metadata": {"sample_rate_hz": 16_000, "channels": 2}}
    found = sound_in({"modality": "audio", "choices": [choice]})
    assert found == Sound("UklG", "", "", 16_000, 2, "audio events")
    found = sound_in({"choices": [{"delta": {"audio": {"id": "a", "data": "AAAA", "format": "pcm16"}}}]})
    assert found == Sound("AAAA", "", "pcm16", None, None, "delta.audio")
    found = sound_in({"choices": [{"delta": {"audio": {"data": "AAAA", "transcript": "Hi"}}}]})
    assert found == Sound("AAAA", "Hi", dialect="delta.audio with a transcript")
    whole = [{"message": {"content": "Hi"}}, {"message": {"audio": {"data": "AAAA"}}}]
    assert sound_in({"choices": whole}) == Sound("AAAA", dialect="delta.audio")


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"choices": []},
        {"choices": [{"delta": {"content": "words"}}]},
        {"choices": [{"delta": {"audio": None}}]},
        {"choices": [{"delta": {"audio": {"id": "a", "expires_at": 1}}}]},
        {"modality": "audio", "choices": [{"delta": {"content": ""}}]},
        {"modality": "text", "choices": [{"delta": {"content": "words"}}]},
    ],
)
def test_events_without_sound(event):
    assert sound_in(event) is None


def test_what_refuses_speech():
    assert refuses_speech(400, b"no audio output") and refuses_speech(422, b"modalities: extra forbidden")
    assert not refuses_speech(500, b"audio") and not refuses_speech(400, b"max_tokens is too large")


# --- words and their sound


def test_words_wait_for_their_sound_at_the_pace_of_the_voice():
    words = WaitingWords(Pace())
    words.add("The red team passes to the left and the keeper catches ")
    assert words.take(1.0) == "The red team "  # 15 characters a second
    assert words.take(1.0) == "passes to the left "
    assert words.take(60.0) == "and the keeper catches " and words.take(1.0) == "" == words.rest()


def test_the_first_sound_has_enough_words_to_be_heard_at_once():
    words = WaitingWords(Pace())
    words.add("A dog runs ")
    assert words.take(0.01) == "A dog runs "  # "A dog" might become "..."


def test_a_word_that_may_still_grow_waits():
    words = WaitingWords(Pace())
    words.add("The gree")
    assert words.take(5.0) == "The "
    words.add("n meadow.")
    assert words.take(5.0) == "green " and words.rest() == "meadow."


def test_wide_characters_are_spoken_slower_and_each_is_a_word():
    assert weight("狗") == 3.5 and weight("dog") == 3.0
    words = WaitingWords(Pace())
    words.add("一只狗在草地上奔跑")
    assert words.take(1.0) == "一只狗在草地"  # six, as of every comment's beginning
    assert words.take(0.5) == "" and words.rest() == "上奔跑"


def test_the_pace_is_learnt_and_nonsense_is_not():
    pace = Pace()
    pace.learn("x" * 200, 10.0)
    assert pace.characters_per_s == 20.0
    pace.learn("x" * 100, 10.0)
    assert pace.characters_per_s == 15.0
    for text, seconds in (("x" * 100, 0.5), ("x" * 1000, 1.0), ("x", 100.0)):
        pace.learn(text, seconds)
    assert pace.characters_per_s == 15.0


def test_silence_before_the_first_sound_is_left_out_and_within_is_kept():
    answer = SpokenAnswer(ServerSpeech("auto"))
    quiet, loud = np.zeros(RATE_HZ, np.int16), tone(0.5)
    chunks = list(answer.push(CommentChunk("Hello there "), sound_event(quiet)))
    assert all(chunk.audio is None and not chunk.text for chunk in chunks) and answer.silent
    chunks = [*answer.push(CommentChunk(""), sound_event(np.concatenate([quiet, loud, quiet])))]
    heard_s = sum(chunk.audio.duration_s for chunk in chunks if chunk.audio is not None)
    assert heard_s == pytest.approx(1.53, abs=0.01) and answer.sounded and not answer.silent


def test_a_long_piece_of_sound_is_cut_with_its_words():
    answer = SpokenAnswer(ServerSpeech("auto"))
    chunks = [*answer.push(CommentChunk(TEXT), sound_event(tone(6.0))), *answer.end(CommentChunk(""))]
    spoken = [chunk for chunk in chunks if chunk.audio is not None]
    assert len(spoken) == 6 and all(chunk.text for chunk in spoken[:5])
    assert "".join(chunk.text for chunk in chunks) == TEXT


def test_tokens_are_counted_once():
    answer = SpokenAnswer(ServerSpeech("auto"))
    chunks = list(answer.push(CommentChunk("Hello ", None, 3), sound_event(tone(2.5))))
    assert sum(chunk.output_tokens for chunk in chunks) == 3


def test_sound_that_breaks_in_mid_answer_is_a_problem_and_the_words_go_on():
    answer = SpokenAnswer(ServerSpeech("auto"))
    first = list(answer.push(CommentChunk("Hello there "), sound_event(tone(0.5))))
    broken = list(answer.push(CommentChunk("my friend."), Sound("~")))
    last = list(answer.end(CommentChunk("")))
    assert [chunk.problem for chunk in broken] == ["voice: the server's sound is no base64"]
    assert "".join(chunk.text for chunk in [*first, *broken, *last]) == "Hello there my friend."


# --- what is found out before a run


def test_the_trial_finds_it_out_and_costs_no_request_more():
    asked = []

    def reply(body):
        asked.append(body)
        return speaks(body)

    with chat_server(reply) as url:
        commentator = warm(url)
        assert len(asked) == 1 and commentator.speech.in_words() == "yes, 24 kHz, audio events"
        commentator.warm_up()
        assert len(asked) == 1
        commentator.close()


@pytest.mark.parametrize(
    ("settings", "modalities"), [({"api_speech": "off"}, False), ({"speech": False}, False), ({}, True)]
)
def test_sound_is_asked_for_only_where_it_is_wanted(settings, modalities):
    asked = []

    def reply(body):
        asked.append(body)
        return speaks(body)

    with chat_server(reply) as url:
        commentator = warm(url, **settings)
        chunks = list(commentator.comment(a_request()))
        commentator.close()
    assert [asks_for_sound(body) for body in asked] == [modalities] * 2
    assert any(chunk.audio is not None for chunk in chunks) is modalities
    assert "".join(chunk.text for chunk in chunks) == TEXT


def test_on_insists(caplog):
    with chat_server(lambda _body: Reply(said(*WORDS))) as url:
        with pytest.raises(CommentatorError, match="does not speak: set api_speech to auto or off"):
            warm(url, api_speech="on")
        caplog.set_level(logging.INFO, "commentator_lib")
        warm(url).close()
    said_so = [r for r in caplog.records if "sends no sound: the embedded voice speaks" in r.getMessage()]
    assert len(said_so) == 1


def test_a_minicpmo_is_asked_with_its_template_and_without_where_it_refuses_that():
    asked = []

    def reply(body):
        asked.append(body)
        if "chat_template_kwargs" in body:
            return refused(
                422, {"detail": [{"loc": ["body", "chat_template_kwargs"], "msg": "extra forbidden"}]}
            )
        return speaks(body)

    commentator = None
    with chat_server(reply) as url:
        commentator = OpenAICommentator(settings_for(url, model_path="m"))
        commentator.speech.know_model("openbmb/MiniCPM-o-4_5")
        commentator.warm_up()
        assert commentator.speech.speaks
        list(commentator.comment(a_request()))
        commentator.close()
    assert asked[0]["chat_template_kwargs"] == {"use_tts_template": True, "enable_thinking": False}
    assert ["chat_template_kwargs" in body for body in asked] == [True, False, False]


@pytest.mark.parametrize(
    ("model", "asks"),
    [("openbmb/MiniCPM-o-4_5", True), ("minicpmo45", True), ("MiniCPM-V-4_5", False), ("qwen3-omni", False)],
)
def test_only_a_minicpmo_is_asked_with_its_template_at_first(model, asks):
    speech = ServerSpeech("auto")
    speech.know_model(model)
    assert ("chat_template_kwargs" in speech.parameters()) is asks


def test_sound_at_the_end_is_said_once(caplog):
    with chat_server(lambda _body: Reply(words_speech.all_at_the_end())) as url:
        commentator = warm(url)
        for _ in range(2):
            list(commentator.comment(a_request()))
        commentator.close()
    assert caplog.text.count("sends its sound when all words are written") == 1


def test_no_key_is_shown_by_a_refusal_of_speech(caplog, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    caplog.set_level(logging.DEBUG, "commentator_lib")

    def reply(body):
        if asks_for_sound(body):
            return refused(400, {"error": {"message": f"no audio for {SECRET}"}})
        return Reply(said(*WORDS))

    with chat_server(reply) as url:
        warm(url).close()
    assert "no audio for ***" in caplog.text and SECRET not in caplog.text


# --- with the rest of the library


def test_the_embedded_voice_is_not_asked_where_the_server_speaks():
    voice = ToneVoice()
    with chat_server(speaks) as url:
        commentator = warm(url)
        pieces = list(speak_comment(commentator, voice, a_request()))
        commentator.close()
    shown = [piece for piece in pieces if piece.text.strip()]
    assert " ".join("".join(piece.text for piece in pieces).split()) == TEXT
    assert len(shown) >= 4 and all(piece.pcm is not None for piece in shown[:-1])
    seconds = sum(len(piece.pcm) for piece in pieces if piece.pcm is not None) / 48_000
    assert seconds == pytest.approx(len(TEXT) / 15.0, abs=0.1)


def test_nothing_to_say_is_not_spoken_though_it_has_sound():
    def reply(body):
        sound = words_speech.audio_event(wav_of(tone(0.5)))
        return Reply([event({"content": "..."}), sound, words_speech.DONE] if asked else speaks(body).packets)

    asked = []
    with chat_server(reply) as url:
        commentator = warm(url)
        asked.append(True)
        pieces = list(speak_comment(commentator, ToneVoice(), a_request()))
        commentator.close()
    assert pieces[-1].silent and all(piece.pcm is None for piece in pieces)


def test_a_run_is_heard_with_the_servers_voice():
    with chat_server(speaks) as url:
        settings = settings_for(url, change_threshold=0.0)
        commentator = OpenAICommentator(settings, lambda _s: None)
        session = LiveSession(
            Moves(20), settings, commentator=commentator, voice=ToneVoice(), mode="replay"
        ).run()
    spoken = [row for row in session.log.cycle_rows if row["outcome"] == "spoken"]
    assert spoken and not [row for row in session.log.cycle_rows if row["outcome"] == "failed"]
    assert spoken[0]["speech_s"] == pytest.approx(len(TEXT) / 15.0, abs=0.1)
    assert all(row["heard_text"] == TEXT for row in spoken)
    json.dumps(session.log.header)


class TestSpeakingServer(CommentatorConformance):
    seconds = 3.0

    @pytest.fixture(autouse=True)
    def use_a_server(self):
        with chat_server(speaks) as url:
            self.settings = settings_for(url)
            yield

    def make(self):
        return OpenAICommentator(self.settings)


def test_a_request_without_speech_is_not_answered_with_sound():
    with chat_server(speaks) as url:
        commentator = warm(url)
        chunks = list(commentator.comment(dataclasses.replace(a_request(), speech=False)))
        commentator.close()
    assert all(chunk.audio is None for chunk in chunks)
