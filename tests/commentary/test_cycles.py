"""What a cycle looks at, asks and shows: whole sessions in virtual time, checked by their logs."""

from __future__ import annotations

import numpy as np
import pytest

from tests.commentary.conftest import LINE, acted, outcomes
from tests.conftest import Pictures, Says, ToneVoice, still

# --- what is looked at, and when it is worth a cycle


def test_window_is_four_frames_with_stride_two_at_two_fps():
    commentator = Says(LINE)
    session = acted({}, 60.0, commentator=commentator)
    frames = commentator.requests[3].frames
    assert len(frames) == 4
    steps = np.diff([f.captured_at_s for f in frames])
    assert steps[:2] == pytest.approx(1.0, abs=0.05) and 0.9 < steps[2] < 1.6
    assert session.log.cycles.frame_newest_age_s.max() < 0.1


def test_unchanged_scene_is_skipped_and_asked_again_after_the_interval():
    session = acted({}, 20.0, source=Pictures(20.0, still), settings={"change_threshold": 5.0})
    cycles = session.log.cycles
    assert cycles.outcome.iloc[0] == "spoken"
    assert set(cycles.outcome.iloc[1:]) == {"unchanged"}
    assert np.diff(cycles.decide_s.iloc[2:]) == pytest.approx(1.0, abs=0.1)
    assert cycles.change_mean.iloc[2] == 0.0


def test_threshold_zero_never_skips():
    session = acted({}, 20.0, source=Pictures(20.0, still), settings={"change_threshold": 0.0})
    assert set(outcomes(session)) == {"spoken"}


@pytest.mark.parametrize("measure", ["mean", "block", "compensated"])
def test_all_three_measures_are_logged_and_any_can_decide(measure):
    def flips(second):
        return np.full((36, 64, 3), 40 if int(second) % 8 < 4 else 200, np.uint8)

    session = acted(
        {}, 30.0, source=Pictures(30.0, flips), settings={"change_threshold": 5.0, "change_measure": measure}
    )
    cycles = session.log.cycles
    assert cycles[["change_mean", "change_block", "change_compensated"]].notna().all().all()
    assert (cycles.outcome == "spoken").sum() >= 3


# --- the prompt


def test_last_comment_is_carried_into_the_prompt():
    commentator = Says("First remark of all.", "Second remark of all.")
    acted({}, 30.0, commentator=commentator)
    assert "First remark" not in commentator.prompts[0]
    assert "First remark of all." in commentator.prompts[1]
    assert "Second remark of all." in commentator.prompts[2]


def test_nothing_to_say_is_not_carried():
    commentator = Says("First remark of all.", "...", LINE)
    acted({}, 30.0, commentator=commentator)
    assert "..." not in commentator.prompts[2].split("\n", 1)[1]
    assert "First remark" not in commentator.prompts[2]


def test_length_hint_follows_change_and_last_length():
    commentator = Says("Short one.")
    session = acted({}, 20.0, commentator=commentator, source=Pictures(20.0, still))
    assert list(session.log.cycles.intensity)[:2] == ["normal", "minimal"]
    assert "a few words at most" in commentator.prompts[1]


@pytest.mark.slow
def test_token_cap_depends_on_speech():
    for speech, cap in ((True, 150), (False, 512)):
        commentator = Says(LINE)
        acted({}, 5.0, commentator=commentator, settings={"speech": speech})
        assert commentator.requests[0].max_new_tokens == cap


# --- "..." and captions


def test_nothing_to_say_is_shown_nowhere():
    captions = []
    acted(
        {}, 30.0, commentator=Says("...", LINE), on_caption=lambda c, text, final, at: captions.append(text)
    )
    assert captions and all("..." not in text for text in captions)


def test_captions_come_with_their_words():
    captions = []
    voice = ToneVoice()
    session = acted(
        {},
        20.0,
        commentator=Says(["One two three four. ", "Five six seven eight. "]),
        voice=voice,
        on_caption=lambda c, text, final, at: captions.append((c, text, final, at)),
    )
    first = session.log.cycles.iloc[0]
    (_, a, end_a, at_a), (_, b, end_b, at_b) = captions[:2]
    assert (a, end_a) == ("One two three four.", False)
    assert (b, end_b) == ("One two three four. Five six seven eight.", True)
    assert at_a == pytest.approx(first.heard_from_s, abs=0.03)
    assert at_b == pytest.approx(first.heard_from_s + 1.0, abs=0.06)


def test_captions_are_one_line_whatever_was_said():
    captions = []
    reply = ["First line\n\n--> second\tline. ", "Машина едет.\x07\n"]
    acted({}, 10.0, commentator=Says(reply), on_caption=lambda c, text, final, at: captions.append(text))
    assert captions[0] == "First line"
    assert captions[:3][-1] == "First line --> second line. Машина едет." and not any(
        "\n" in c for c in captions
    )


def test_ten_thousand_words_hold_the_floor_for_a_bounded_time():
    session = acted({}, 200.0, commentator=Says("word " * 10_000))
    assert session.log.cycles.speech_s.max() < 90 and len(session.log.cycles) >= 2


def test_text_only_shows_captions_with_the_picture():
    captions = []
    session = acted(
        {},
        30.0,
        settings={"speech": False},
        on_caption=lambda c, text, final, at: captions.append((text, at)),
    )
    cycles = session.log.cycles
    assert set(cycles.outcome) == {"spoken"} and (cycles.speech_s == 0).all()
    assert captions[3][1] == pytest.approx(cycles.heard_from_s.iloc[3], abs=0.05)
    assert cycles.sync_error_s.abs().median() < 0.05
