"""The programme's sound at its due times: equal at rest, in step and without a click while the delay moves."""

from __future__ import annotations

import numpy as np
import pytest

from commentator_lib.sound.captured import CapturedSound
from commentator_lib.sound.programme import HeardSound, ProgrammeRenderer

R = 48_000
LEAD_S = 0.4


def noise(seconds: float) -> np.ndarray:
    mono = np.random.default_rng(1).standard_normal(round(seconds * R)) * 3000
    return np.repeat(mono.astype(np.int16)[:, None], 2, axis=1)


def tone(seconds: float) -> np.ndarray:
    mono = 9000 * np.sin(2 * np.pi * 440 * np.arange(round(seconds * R)) / R)
    return np.repeat(mono.astype(np.int16)[:, None], 2, axis=1)


def beeps(seconds: float) -> np.ndarray:
    """Return a beep of 20 ms at every half second."""
    t = np.arange(round(seconds * R)) / R
    mono = 15_000 * np.sin(2 * np.pi * 1000 * t) * (t % 0.5 < 0.02)
    return np.repeat(mono.astype(np.int16)[:, None], 2, axis=1)


def hear(
    samples, due_of, *, late_s=0.0, clock=1.0, missing=(), now=True
) -> tuple[ProgrammeRenderer, list[HeardSound]]:
    """Capture samples as time goes on, in pieces of 40 ms, and render them; `missing`: seconds in which none come."""
    sound, pieces, step = CapturedSound(30), [], 1920
    renderer = ProgrammeRenderer(sound, 0.0)
    at_s, first = 0.0, 0
    while at_s < len(samples) / R + 8:
        while first < len(samples) and first / R + late_s <= at_s:
            if not any(a <= first / R < b for a, b in missing):
                sound.push(samples[first : first + step], first / R * clock)
            first += step
        pieces += renderer.render(at_s + LEAD_S, due_of, at_s if now else None)
        at_s += 0.1
    return renderer, pieces + renderer.finish()


def joined(pieces: list[HeardSound], seconds: float) -> np.ndarray:
    """Return all pieces on one time line, (N, 2)."""
    out = np.zeros((round(seconds * R), 2), np.int16)
    for piece in pieces:
        first = round(piece.at_s * R)
        out[first : first + len(piece.samples)] = piece.samples
    return out


def beep_errors_ms(out: np.ndarray, due_of, count: int) -> np.ndarray:
    """Return heard − due of each beep, in ms; one that is not heard within 0.15 s raises."""
    errors = []
    for k in range(1, count):
        first = round((due_of(k / 2) - 0.15) * R)
        loud = np.flatnonzero(np.abs(out[first : first + round(0.3 * R), 0].astype(int)) > 4000)
        assert len(loud), f"beep {k} is not heard"
        errors.append(1000 * (loud[0] / R - 0.15))
    return np.asarray(errors)


def down(captured_s: float) -> float:
    """Delay from 5 s to 0.5 s, by a tenth of real time, from second 4 on."""
    return captured_s + max(0.5, 5.0 - 0.1 * max(0.0, captured_s - 4.0))


def up(captured_s: float) -> float:
    return captured_s + min(3.0, 0.5 + 0.1 * max(0.0, captured_s - 4.0))


def test_at_rest_the_samples_are_the_source_s():
    source = noise(20)
    renderer, pieces = hear(source, lambda s: s + 1.0)
    out = joined(pieces, 30)
    assert renderer.jumps == 0 and renderer.stretched_s == 0
    fade = 240
    assert np.array_equal(out[R + fade : 21 * R - fade], source[fade:-fade])
    assert all(
        b.at_s == pytest.approx(a.at_s + len(a.samples) / R, abs=1e-6)
        for a, b in zip(pieces, pieces[1:], strict=False)
    )


@pytest.mark.parametrize("due_of", [down, up], ids=["down", "up"])
def test_beeps_stay_in_step_while_the_delay_moves(due_of):
    renderer, pieces = hear(beeps(60), due_of)
    errors = np.abs(beep_errors_ms(joined(pieces, 75), due_of, 118))
    assert renderer.jumps == 0 and renderer.stretched_s > 10
    assert np.median(errors) <= 15 and np.percentile(errors, 95) <= 40


@pytest.mark.parametrize("due_of", [down, up], ids=["down", "up"])
def test_stretched_sound_has_neither_clicks_nor_steps(due_of):
    _, pieces = hear(tone(50), due_of)
    out = joined(pieces, 60)[round(due_of(1) * R) : round(due_of(48) * R), 0].astype(float)
    steepest = 9000 * 2 * np.pi * 440 / R
    assert np.abs(np.diff(out)).max() <= 1.1 * steepest
    level_db = 10 * np.log10(np.square(out[: len(out) // 960 * 960].reshape(-1, 960)).mean(axis=1))
    assert np.abs(np.diff(level_db)).max() <= 3.0
    # the pitch stays
    spectrum = np.abs(np.fft.rfft(out * np.hanning(len(out))))
    assert np.argmax(spectrum) * R / len(out) == pytest.approx(440, abs=2)


@pytest.mark.parametrize("clock", [1 + 200e-6, 1 - 200e-6])
def test_a_drifting_clock_is_kept_in_step(clock):
    renderer, pieces = hear(beeps(120), lambda s: s + 1.0, clock=clock)
    errors = np.abs(beep_errors_ms(joined(pieces, 135), lambda s: s * clock + 1.0, 238))
    assert renderer.jumps == 0
    assert np.median(errors) <= 15 and errors.max() <= 20


def test_sound_that_is_missing_is_silence_and_goes_on_at_its_time():
    renderer, pieces = hear(beeps(20), lambda s: s + 1.0, missing=[(5.1, 8.1)])
    out = joined(pieces, 30)
    assert not out[round(6.3 * R) : round(8.9 * R)].any()
    errors = []
    for k in [*range(1, 10), *range(18, 38)]:
        first = round((k / 2 + 0.9) * R)
        errors.append(np.flatnonzero(np.abs(out[first : first + 9600, 0].astype(int)) > 4000)[0] / 48 - 100)
    assert np.abs(errors).max() <= 10


def test_no_click_where_sound_is_missing():
    _, pieces = hear(tone(20), lambda s: s + 1.0, missing=[(5.1, 8.1)])
    out = joined(pieces, 30)[:, 0].astype(float)
    assert np.abs(np.diff(out)).max() <= 1.3 * 9000 * 2 * np.pi * 440 / R


def test_sound_that_comes_later_than_it_is_due_is_left_out():
    renderer, pieces = hear(noise(10), lambda s: s + 0.5, late_s=2.0)
    assert sum(len(p.samples) for p in pieces) / R < 1.0  # what is heard is not shown any more
    assert all(piece.at_s >= 0 for piece in pieces)


def test_a_late_start_and_an_early_end():
    source = tone(10)
    renderer, pieces = hear(source[: 4 * R], lambda s: s + 1.0, late_s=0.0)
    assert pieces[-1].at_s + len(pieces[-1].samples) / R == pytest.approx(5.0, abs=0.03)
    sound = CapturedSound(30)
    sound.push(source[: 2 * R], 7.0)
    late = ProgrammeRenderer(sound, 0.0).render(20.0, lambda s: s + 1.0)
    assert late[0].at_s == pytest.approx(8.0)


def test_nothing_to_hear():
    assert ProgrammeRenderer(CapturedSound(5), 0.0).render(10.0, lambda s: s) == []
