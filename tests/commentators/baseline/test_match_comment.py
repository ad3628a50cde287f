"""The baseline commentator with facts: events before the picture, and few words that were said just before."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from commentator_lib.commentators.base import CommentRequest
from commentator_lib.commentators.baseline.commentator import BaselineCommentator
from commentator_lib.commentators.baseline.detector import Detection
from commentator_lib.commentators.baseline.match_memory import MatchMemory
from commentator_lib.events import Event, Facts
from commentator_lib.media import Frame
from commentator_lib.truth.naming import kinds_named, scores_named
from commentator_lib.truth.speech import repetition
from tests.commentators.baseline.match_facts import caption, goal_caption, happened, score, scripted_match


class Boxes:
    """A detector that finds the things of a shot, which its first pixel names, and counts its looks."""

    def __init__(self) -> None:
        self.looks = 0

    def detect(self, image: np.ndarray, min_score: float = 0.5) -> list[Detection]:
        self.looks += 1
        rng = np.random.default_rng(int(image[0, 0, 0]))
        count = int(rng.integers(1, 4))
        places, labels = rng.uniform(0, 0.6, (count, 2)), rng.choice(["person", "car", "sports ball"], count)
        return [
            Detection(str(label), 0.9, x, y, x + 0.25, y + 0.35)
            for label, (x, y) in zip(labels, places, strict=True)
        ]

    def detect_tile(self, image: np.ndarray, tile: object, min_score: float = 0.5) -> list[Detection]:
        return []


@cache
def frame_at(at_s: float) -> Frame:
    """Return a frame of noise with a square that moves; another shot begins every 9 s."""
    shot = int(at_s) // 9
    picture = np.random.default_rng(shot).integers(0, 256, (90, 160, 3), dtype=np.uint8)
    x = 17 * int(at_s) % 120
    picture[20:70, x : x + 40] = 255
    picture[0, 0] = shot % 256
    return Frame(round(at_s * 25), at_s, at_s, picture)


def frames_at(at_s: float) -> list[Frame]:
    """Return four frames, one a second, up to `at_s`."""
    return [frame_at(at_s - k) for k in (3, 2, 1, 0)]


def commentator(seed: int = 0, read_text=None) -> BaselineCommentator:
    made = BaselineCommentator(ocr=read_text is not None, seed=seed, read_text=read_text)
    made._detector = Boxes()
    return made


def comment(baseline: BaselineCommentator, facts: Facts, at_s: float, max_new_tokens: int = 40) -> str:
    request = CommentRequest(frames_at(at_s), "", max_new_tokens, facts=facts)
    return "".join(chunk.text for chunk in baseline.comment(request))


def test_a_goal_is_the_first_chunk_before_any_look_and_the_last():
    baseline = commentator()
    chunks = baseline.comment(CommentRequest(frames_at(12.0), "", 40, facts=happened(goal_caption())))
    first = next(chunks)
    assert kinds_named(first.text) == {"goal"} and "Casteno" in first.text
    assert first.output_tokens == len(first.text.split())
    assert list(chunks) == [] and baseline._detector.looks == 0


def test_less_important_news_comes_before_the_picture_is_looked_at_and_then_the_picture_follows():
    baseline = commentator(seed=1)
    facts = happened(caption("corner", "BLUEHAVEN CITY", 11.0))
    chunks = baseline.comment(CommentRequest(frames_at(12.0), "", 40, facts=facts))
    assert kinds_named(next(chunks).text) == {"corner"} and baseline._detector.looks == 0
    rest = "".join(chunk.text for chunk in chunks)
    assert rest.startswith(" ") and baseline._detector.looks > 0
    assert len(rest.split()) >= 3 and not kinds_named(rest) - {"cut"}


def test_without_facts_and_with_facts_that_say_nothing_the_words_are_the_same():
    plain, seen = commentator(), commentator()
    silent = Facts({"shot_s": 1.0}, (Event("cut", 3.0, 3.2, 0),))
    said = [comment(plain, Facts(), 4.0 * k + 4) for k in range(24)]
    assert said == [comment(seen, silent, 4.0 * k + 4) for k in range(24)]
    assert sum(s != "..." for s in said) >= 4


def test_same_facts_same_words_and_a_source_that_starts_again_is_told_anew():
    def run(baseline):
        return [comment(baseline, facts, now_s + 4) for facts, now_s in scripted_match(3, 12)]

    baseline = commentator(2)
    first = run(baseline)
    baseline._detector = Boxes()
    assert run(baseline) == first == run(commentator(2))


def test_texts_in_a_match_are_no_news_and_elsewhere_a_caption_is_said_once():
    def read(image):
        return [("DRINK HARLOWS", 0.99)]

    assert "HARLOWS" in comment(commentator(read_text=read), Facts(), 8.0).upper()
    assert "HARLOWS" not in comment(commentator(read_text=read), happened(), 8.0).upper()
    event = caption("", "", 7.0, "DRINK HARLOWS", 0)
    shown = Facts({"caption": "DRINK HARLOWS"}, (event,))
    assert comment(commentator(read_text=read), shown, 8.0).upper().count("HARLOWS") == 1


def test_the_limit_of_words_is_kept_with_facts():
    for most in range(1, 9):
        facts = happened(caption("corner", "BLUEHAVEN CITY", 11.0), score([2, 1], [1, 1]))
        said = comment(commentator(), facts, 12.0, most)
        assert said == "..." or len(said.split()) <= most


@cache
def scripted_comments(seed: int) -> list[tuple[Facts, str]]:
    """Return forty comments that are heard, each with its facts."""
    baseline = commentator(seed)
    said = [(facts, comment(baseline, facts, now_s + 4)) for facts, now_s in scripted_match(seed, 72)]
    return [(facts, text) for facts, text in said if text != "..."][:40]


@pytest.mark.parametrize("seed", range(3))  # 100 to 107 are kept aside: looked at once
def test_forty_comments_of_a_match_repeat_little(seed):
    said = [text for _, text in scripted_comments(seed)]
    assert len(said) == 40
    assert repetition(said) <= 0.05, said
    assert len(set(said)) == len(said)


@pytest.mark.parametrize("seed", range(3))
def test_forty_comments_name_what_happens_and_nothing_else(seed):
    for facts, said in scripted_comments(seed):
        about = {str(e.facts.get("about", e.kind)) for e in facts.happened}
        may = {kind.removeprefix("yellow ") for kind in about} | ({"goal"} if "score" in about else set())
        may |= {"kick-off"} if "whistle" in about else set()  # the first after a goal
        assert kinds_named(said) - {"cut"} <= may, (said, about)
        assert set(scores_named(said)) <= {tuple(facts.on_screen["score"])}, said
        must = may & {"goal", "card", "corner", "substitution"} if "score" not in about else set()
        assert must <= kinds_named(said), (said, about)


def test_in_a_match_the_picture_brings_back_no_phrase_of_the_last_five_comments(monkeypatch):
    memory = MatchMemory()
    for k in range(6):
        memory.begin_comment()
        memory.add_words(f"Comment {k} has a person on the left.")
    memory.begin_comment()
    assert memory.repeats("I see a person on the left.") and not memory.repeats("A person, left of it.")
    assert memory.repeats("Comment 1 has a ball.") and not memory.repeats("Comment 0 has a ball.")
    facts = happened(caption("corner", "BLUEHAVEN CITY", 11.0))
    both = comment(commentator(1), facts, 12.0)
    monkeypatch.setattr(MatchMemory, "repeats", lambda *_: True)
    event_only = comment(commentator(1), facts, 12.0)
    assert both.startswith(event_only) and both != event_only
    assert comment(commentator(1), Facts(), 12.0) != "..."
