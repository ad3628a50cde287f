"""The programme's own sound in a real page: gapless, in its place, ducked under the voice, never clipped."""

from __future__ import annotations

import numpy as np
import pytest

from tests.notebook.page.conftest import button, until
from tests.notebook.page.programme_sound import (
    RATE_HZ,
    TONE_HZ,
    VOICE_HZ,
    captured,
    fed,
    levels,
    loudest,
    noise,
    place_of,
    wait_done,
)

FADE = round(0.006 * RATE_HZ)


def decibels(amplitudes):
    return 20 * np.log10(np.maximum(amplitudes, 1e-6))


@pytest.mark.parametrize("side", [0, 1], ids=["left", "right"])
def test_pieces_that_follow_each_other_leave_the_page_as_they_came(lab, browser, side):
    with fed(lab, browser, "noise(10)", side) as page:
        counts = wait_done(page)
        sound, sent = captured(page), noise(10)[:, side].astype(float)
    print(counts)
    assert counts["programme_underruns"] == 0 and counts["programme_jumps"] == 0
    # In the first seconds the page may still be learning the kernel's time.
    tail = sent[3 * RATE_HZ : -FADE]
    at = place_of(tail[-RATE_HZ:], sound) - len(tail) + RATE_HZ
    off = np.abs(sound[at : at + len(tail)] - tail)
    print("unequal samples:", np.count_nonzero(off > 1), "corrected pieces:", counts["programme_corrected"])
    assert off.max() <= 1


def test_programme_falls_under_a_comment_and_comes_back(lab, browser):
    """Two comments; the second is cut. The shape: 50 ms down before the begin, 400 ms up after the end."""
    call = "tone(11), comments=[(3.0, 2.0, 0.3), (7.0, 3.0, 0.3)], cut=(1, 8.0, 1.5)"
    with fed(lab, browser, call) as page:
        wait_done(page)
        sound = captured(page)
    programme, voice = levels(sound, TONE_HZ), levels(sound, VOICE_HZ)
    full = np.median(programme[programme > 0.4])
    level = decibels(programme / full)
    sounding = np.flatnonzero(voice > 0.15)
    breaks = np.flatnonzero(np.diff(sounding) > 50)
    first, second = sounding[: breaks[0] + 1], sounding[breaks[0] + 1 :]
    for comment, seconds in ((first, 2.0), (second, 1.5)):
        begin, end = comment[0], comment[-1] + 1  # windows of 10 ms
        print(f"{(end - begin) / 100:.2f} s", "at begin", np.round(level[begin - 7 : begin + 3], 1))
        print("after", np.round(level[end - 1 : end + 44 : 4], 1))
        assert abs((end - begin) / 100 - seconds) <= 0.03
        assert np.abs(level[begin - 30 : begin - 7]).max() < 0.1  # nothing before the fall
        assert np.abs(level[begin + 1 : end - 1] + 12).max() <= 1
        assert np.abs(level[end + 42 : end + 60]).max() < 0.1
        assert level[end + 20] == pytest.approx(-12 + 12 * 20.5 / 40, abs=1.0)


def test_faders_and_mutes_act_on_one_only(lab, browser):
    comments = "[(k * 1.0, 0.95, 0.3) for k in range(40)]"
    with fed(lab, browser, f"tone(40), comments={comments}, duck_db=0.0") as page:
        until(lambda: page.evaluate("tap.blocks.length") > 2000)

        def now_heard():
            """Return the levels of programme and voice in the last half second: the largest of its windows."""
            page.wait_for_timeout(1100)
            sound = captured(page)[-RATE_HZ // 2 :]
            return [float(levels(sound, hz).max()) for hz in (TONE_HZ, VOICE_HZ)]

        def set_volume(name, percent):
            slider = page.get_by_label(f"{name} volume, percent")
            slider.fill(str(percent))

        # So that clipped sound is not what is measured: programme 0.5 and voice 0.3 at the most.
        assert now_heard() == pytest.approx([0.5, 0.3], abs=0.02)
        set_volume("Programme", 50)
        assert now_heard() == pytest.approx([0.25, 0.3], abs=0.02)
        set_volume("Voice", 20)
        assert now_heard() == pytest.approx([0.25, 0.06], abs=0.02)
        until(lambda: page.told()["heard"] == [0.5, False, 0.2, False])
        button(page, "Mute programme").click()
        assert now_heard() == pytest.approx([0.0, 0.06], abs=0.005)
        button(page, "Mute programme").click()
        button(page, "Mute voice").click()
        assert now_heard() == pytest.approx([0.25, 0.0], abs=0.005)
        until(lambda: page.told()["heard"] == [0.5, False, 0.2, True])
        assert button(page, "Mute voice").get_attribute("aria-pressed") == "true"


def test_sum_of_a_loud_programme_and_a_loud_voice_is_never_clipped(lab, browser):
    with fed(lab, browser, "tone(6, 1.0), comments=[(2.0, 2.5, 0.9)], duck_db=0.0") as page:
        wait_done(page)
        peak, sound = loudest(page), captured(page)
    print("peak", peak)
    assert 0.95 < peak <= 1.0
    # Limited, not cut off: a clipped sum of two tones has strong overtones of both.
    programme, voice = levels(sound, TONE_HZ, 0.05), levels(sound, VOICE_HZ, 0.05)
    under = voice > 0.5 * voice.max()
    overtone = levels(sound, 5 * TONE_HZ, 0.05)
    print("overtone", decibels(np.median(overtone[under])), "programme", np.median(programme[under]))
    assert np.median(overtone[under]) < 0.003
    assert np.median(programme[under]) / np.median(voice[under]) == pytest.approx(1 / 0.9, rel=0.05)


# As in a page over plain http, where there are no worklets. (The test's own measuring needs one.)
NO_LIMITER = """
window.AudioWorkletNode = class extends AudioWorkletNode {
    constructor(context, name, options) {
        if (name === "limiter") throw new Error("no worklet here");
        super(context, name, options);
    }
};
"""


def test_page_without_a_limiter_plays_at_half_level_and_is_not_clipped_either(lab, browser):
    with fed(lab, browser, "tone(6, 1.0), comments=[(2.0, 2.5, 0.9)], duck_db=0.0", init=NO_LIMITER) as page:
        wait_done(page)
        peak, sound = loudest(page), captured(page)
    assert 0.7 < peak <= 0.96  # how high the sum is depends on the phases of both
    assert np.median(levels(sound, TONE_HZ, 0.05)[-60:-40]) == pytest.approx(0.5, abs=0.01)


def test_programme_is_not_ducked_for_a_voice_that_is_muted(lab, browser):
    with fed(lab, browser, "tone(60), comments=[(1.0, 55.0, 0.3)]") as page:

        def programme_level():
            page.wait_for_timeout(1100)
            return float(np.median(levels(captured(page)[-RATE_HZ // 4 :], TONE_HZ)))

        until(lambda: levels(captured(page)[-RATE_HZ:], VOICE_HZ).max() > 0.2, "the comment")
        assert programme_level() == pytest.approx(0.5 * 10 ** (-12 / 20), abs=0.01)
        button(page, "Mute voice").click()
        assert programme_level() == pytest.approx(0.5, abs=0.005)
        button(page, "Mute voice").click()
        assert programme_level() == pytest.approx(0.5 * 10 ** (-12 / 20), abs=0.01)


def test_gap_is_silent_and_a_late_piece_is_joined_in_its_middle(lab, browser):
    """Piece 20 is missing, piece 27 comes 0.1 s after its time; their neighbours are in their places, with fades."""
    with fed(lab, browser, "noise(15), left_out={20}, late_s={27: 0.5}, pieces_s=(0.25, 0.6)") as page:
        counts = wait_done(page)
        sound, sent = captured(page), noise(15)[:, 0].astype(float)
    starts = np.cumsum([0, *[round(RATE_HZ * s) for s in (0.25, 0.6) * 20]])

    def placed(first, last):
        """Return where the programme's sample 0 would be, by samples `first` to `last` of it, which must be equal."""
        at = place_of(sent[first:last], sound)
        assert np.abs(sound[at : at + last - first] - sent[first:last]).max() <= 1
        return at - first

    # 1) On a busy machine the page still moves its clock by some samples, from piece to piece.
    before, after, next_one = (placed(starts[k] + FADE, starts[k + 1] - FADE) for k in (19, 21, 28))
    late = placed(starts[28] - round(0.2 * RATE_HZ), starts[28] - FADE)  # the end of the late piece
    print(counts, "moved by samples:", after - before, next_one - before, late - before)
    assert max(abs(at - before) for at in (after, next_one, late)) <= 0.005 * RATE_HZ
    assert counts["programme_underruns"] == 1 and counts["programme_jumps"] == 0
    # 2) The gap: silence, and fades at its edges.
    gap = sound[before + starts[20] + 24 : after + starts[21] - 24]
    assert np.abs(gap).max() <= 1
    assert np.abs(sound[before + starts[20] - 24 : before + starts[20]]).max() < 0.11 * 9000
    assert np.abs(sound[after + starts[21] : after + starts[21] + 24]).max() < 0.11 * 9000
    # 3) The beginning of the late piece was not heard.
    begin = late + starts[27]
    assert np.abs(sound[begin + FADE : begin + round(0.05 * RATE_HZ)]).max() <= 1


# The page's measure of what is heard now can be moved: as if the sound card ran away from the kernel's clock.
DRIFT = """
window.cardLateS = 0;
const stamp = AudioContext.prototype.getOutputTimestamp;
AudioContext.prototype.getOutputTimestamp = function () {
    const { contextTime, performanceTime } = stamp.call(this);
    return { contextTime: contextTime - window.cardLateS, performanceTime };
};
"""


def test_clock_that_runs_away_is_followed_without_a_click_and_a_jump_is_faded(lab, browser):
    with fed(lab, browser, "tone(24, 0.5)", init=DRIFT) as page:
        page.wait_for_timeout(5000)
        page.evaluate("window.cardLateS = 0.012")
        page.wait_for_timeout(8000)
        ((_, counts),) = page.told()["pages"].values()
        assert counts["programme_jumps"] == 0 and counts["programme_corrected"] > 5
        half = len(captured(page))
        page.evaluate("window.cardLateS = 0.15")
        counts = wait_done(page)
        sound = captured(page) / 32768
    print(counts)
    assert counts["programme_jumps"] == 1
    # A tone of 1 kHz at 0.5 bends by no more than this from sample to sample; a click would.
    most = 1.02 * 0.5 * (2 * np.pi * TONE_HZ / RATE_HZ) ** 2 + 3 / 32768
    bend = np.abs(np.diff(sound, 2))
    first = np.flatnonzero(np.abs(sound) > 0.4)[0]
    print("bend", bend[first + 500 : half].max(), bend[half:-1].max(), most)
    assert bend[first + 500 : half].max() <= most
    assert bend[half:].max() <= 3 * most


def test_page_opened_in_mid_run_hears_the_programme_at_once(lab, browser):
    with fed(lab, browser, "tone(600)") as page:
        page.wait_for_timeout(1500)
        page.evaluate("window.jupyterapp.commands.execute('docmanager:save')")
        page.wait_for_function("window.jupyterapp.shell.currentWidget.context.model.dirty === false")
        other = page.context.new_page()
        other.goto(page.url.replace("&reset", ""))
        other.wait_for_selector(".live-player")
        until(lambda: sum(s for s, _ in page.told()["pages"].values()) == 2, "both sound")
        until(lambda: np.any(levels(captured(other), TONE_HZ) > 0.45), "the programme")
        other.wait_for_timeout(2500)
        heard = levels(captured(other), TONE_HZ)
        heard = heard[np.flatnonzero(heard > 0.45)[0] :]
        assert (heard > 0.4).mean() > 0.5, heard  # a busy machine may stop for a moment
        assert other.get_by_label("Programme volume, percent").is_visible()
