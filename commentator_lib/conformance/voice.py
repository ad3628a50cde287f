"""Tests of what every voice must do."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Generator

from commentator_lib.commentators.scripted import CostModel, ScriptedCommentator
from commentator_lib.conformance.commentator import check_sound
from commentator_lib.session import LiveSession
from commentator_lib.settings import Settings
from commentator_lib.sources.synthetic import SyntheticSource
from commentator_lib.voices.base import Voice
from commentator_lib.voices.languages import unreadable


class VoiceConformance:
    """Subclass it and write `make`. Set `sentence` if your voice speaks another language."""

    sentence = "Two red cars pass on the left."

    def make(self) -> Voice:
        """Return a new voice, not warmed up."""
        raise NotImplementedError

    def test_it_has_a_name_and_a_sample_rate(self) -> None:
        voice = self.make()
        assert isinstance(voice, Voice)
        assert voice.name and "\n" not in voice.name
        assert 8_000 <= voice.sample_rate_hz <= 192_000

    def test_its_languages_are_codes_and_it_reads_its_sentence(self) -> None:
        languages = self.make().languages
        assert isinstance(languages, tuple)
        assert all(re.fullmatch(r"[a-z]{2,3}([-_][A-Za-z0-9]+)*", code) for code in languages), languages
        assert not unreadable(self.sentence, languages), "set `sentence` to one in its language"

    def test_a_sentence_is_sound_of_about_its_length(self) -> None:
        with self._made() as voice:
            pieces = list(voice.speak(self.sentence))
            for piece in pieces:
                check_sound(piece)
                assert piece.sample_rate_hz == voice.sample_rate_hz
            assert any(piece.samples.any() for piece in pieces), "nothing is to be heard"
            words = len(self.sentence.split())
            assert 0.05 * words <= sum(piece.duration_s for piece in pieces) <= 3.0 * words

    def test_it_speaks_more_than_once(self) -> None:
        with self._made() as voice:
            for _ in range(2):
                assert any(piece.samples.any() for piece in voice.speak(self.sentence))

    def test_text_that_cannot_be_read_aloud_is_no_error(self) -> None:
        with self._made() as voice:
            for text in ("", "   ", "...", "\x00", "🙂"):
                for piece in voice.speak(text):
                    check_sound(piece)

    def test_it_may_stop_in_the_middle(self) -> None:
        with self._made() as voice:
            pieces = iter(voice.speak(f"{self.sentence} {self.sentence}"))
            next(pieces)
            del pieces
            assert any(piece.samples.any() for piece in voice.speak(self.sentence))

    def test_a_session_speaks_with_it(self) -> None:
        session = LiveSession(
            SyntheticSource(8.0, seed=1),
            Settings(commentator="scripted", change_threshold=0.0, delay_init_s=1.0),
            commentator=ScriptedCommentator([self.sentence], CostModel(0.2, 0.0, 1.0, 0.0, 0.1), sound=None),
            voice=self.make(),
            mode="replay",
        ).run()
        rows = [row for row in session.log.cycle_rows if row["outcome"] == "spoken"]
        assert rows and session.log.header["notes"] == []
        assert all(row["speech_s"] > 0 and not row["reason"] for row in rows)

    @contextlib.contextmanager
    def _made(self) -> Generator[Voice]:
        voice = self.make()
        voice.warm_up()
        try:
            yield voice
        finally:
            voice.close()
