"""Tests of what every commentator must do."""

from __future__ import annotations

import contextlib
from collections.abc import Generator

import numpy as np

from commentator_lib.commentators.base import Commentator, CommentChunk, CommentRequest
from commentator_lib.media import AudioChunk, Frame
from commentator_lib.session import LiveSession
from commentator_lib.settings import Settings
from commentator_lib.sources.synthetic import SyntheticSource


class CommentatorConformance:
    """Subclass it and write `make`. Set `width` and `height` (pixels) if your commentator needs other frames."""

    width = 64
    height = 36
    seconds = 8.0  # of a session with it

    def make(self) -> Commentator:
        """Return a new commentator, not warmed up."""
        raise NotImplementedError

    def request(self, frames: int = 4, speech: bool = True) -> CommentRequest:
        """Return the request of these tests: moving noise, and an instruction."""
        rng = np.random.default_rng(0)
        shape = (self.height, self.width, 3)
        images = [rng.integers(0, 256, shape, dtype=np.uint8) for _ in range(frames)]
        seen = [Frame(k, k / 2, k / 2, image) for k, image in enumerate(images)]
        return CommentRequest(seen, "Say what you see.", 64, speech)

    def test_it_has_a_name(self) -> None:
        commentator = self.make()
        assert isinstance(commentator, Commentator)
        assert commentator.name and "\n" not in commentator.name

    def test_a_comment_is_text_in_chunks(self) -> None:
        with self._made() as commentator:
            for frames in (1, 4):
                self._check(commentator, list(commentator.comment(self.request(frames))))

    def test_a_comment_without_speech_is_text_too(self) -> None:
        with self._made() as commentator:
            self._check(commentator, list(commentator.comment(self.request(speech=False))))

    def test_a_comment_may_be_cancelled_and_another_asked_for(self) -> None:
        with self._made() as commentator:
            for _ in range(2):
                comment = iter(commentator.comment(self.request()))
                next(comment)
                close = getattr(comment, "close", None)
                assert close is not None, "comment() must be a generator: closing it cancels the comment"
                close()
            self._check(commentator, list(commentator.comment(self.request())))

    def test_it_may_be_closed_and_warmed_up_again(self) -> None:
        commentator = self.make()
        for _ in range(2):
            commentator.expect_frames(self.width, self.height)
            commentator.warm_up()
            self._check(commentator, list(commentator.comment(self.request())))
            commentator.close()

    def test_it_may_be_warmed_up_while_it_is_loaded(self) -> None:
        with self._made() as commentator:
            commentator.warm_up()
            self._check(commentator, list(commentator.comment(self.request())))

    def test_what_it_tells_of_its_loading_is_in_order(self) -> None:
        commentator, told = self.make(), []
        commentator.on_loading = told.append
        commentator.expect_frames(self.width, self.height)
        commentator.warm_up()
        commentator.close()
        assert all(loading.words.strip() and "\n" not in loading.words for loading in told)
        shares = [loading.share for loading in told if loading.share is not None]
        assert all(0 <= share <= 1 for share in shares) and shares == sorted(shares)

    def test_a_session_runs_with_it(self) -> None:
        commentator = self.make()
        session = LiveSession(
            SyntheticSource(self.seconds, seed=1),
            Settings(commentator="scripted", change_threshold=0.0),
            commentator=commentator,
            mode="what-if" if commentator.has_cost_model else "replay",
        ).run()
        rows = session.log.cycle_rows
        assert rows and session.log.header["notes"] == []
        assert not [row["reason"] for row in rows if row["outcome"] == "failed"]

    def _check(self, commentator: Commentator, chunks: list[CommentChunk]) -> None:
        assert chunks and all(isinstance(chunk, CommentChunk) for chunk in chunks)
        text = "".join(chunk.text for chunk in chunks)
        assert text.strip(), 'a commentator with nothing to say answers "..."'
        for chunk in chunks:
            assert chunk.output_tokens >= 0 and chunk.problem == ""
            if commentator.has_cost_model:
                assert chunk.cost_s is not None and chunk.cost_s >= 0
            if chunk.audio is not None:
                check_sound(chunk.audio)

    @contextlib.contextmanager
    def _made(self) -> Generator[Commentator]:
        commentator = self.make()
        commentator.expect_frames(self.width, self.height)
        commentator.warm_up()
        try:
            yield commentator
        finally:
            commentator.close()


def check_sound(chunk: AudioChunk) -> None:
    """Assert that a chunk is mono sound, float32 in [-1, 1]."""
    assert isinstance(chunk, AudioChunk) and 8_000 <= chunk.sample_rate_hz <= 192_000
    assert chunk.samples.ndim == 1 and chunk.samples.dtype == np.float32
    assert np.isfinite(chunk.samples).all() and np.abs(chunk.samples).max(initial=0.0) <= 1.0
