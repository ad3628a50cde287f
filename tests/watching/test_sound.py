"""The watcher of sound: swells, whistles, silence and speech, and what is none of them."""

import numpy as np
import pytest
from scipy.signal import butter, chirp, sosfilt

from commentator_lib.media import AudioChunk
from commentator_lib.watching.loudness import flatness, swell_rise_db
from commentator_lib.watching.sound import SoundWatcher
from commentator_lib.watching.spectra import FrameCutter, decibels
from commentator_lib.watching.speech import modulation
from commentator_lib.watching.whistles import is_rough, keeps_pitch

RATE_HZ = 16_000
START_S = 8.0  # of what happens in the tests


def band(samples, low_hz, high_hz, rate_hz=RATE_HZ):
    return sosfilt(butter(2, (low_hz, high_hz), "bandpass", fs=rate_hz, output="sos"), samples)


def at_db(samples, db):
    return samples * 10 ** (db / 20) / np.sqrt(np.mean(np.square(samples)))


def crowd(seconds, rate_hz=RATE_HZ, db=-38, seed=0):
    rng = np.random.default_rng(seed)
    return at_db(band(rng.standard_normal(round(seconds * rate_hz)), 200, 2500, rate_hz), db)


def mix(piece, seconds=13.0, rate_hz=RATE_HZ, at_s=START_S, seed=0):
    """A crowd with a piece of sound in it."""
    sound, first = crowd(seconds, rate_hz, seed=seed), round(at_s * rate_hz)
    sound[first : first + len(piece)] += piece[: len(sound) - first]
    return sound.astype(np.float32)


def roar(seconds=2.5, rate_hz=RATE_HZ, db=-22):
    rng = np.random.default_rng(5)
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    return at_db(band(rng.standard_normal(len(t)), 300, 3500, rate_hz), db) * np.minimum(1, t / 0.2)


def whistle(seconds=0.6, rate_hz=RATE_HZ, hz=2900, trill_hz=30, db=-28):
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    tone = np.sin(2 * np.pi * hz * t) * (1 - 0.3 * (1 + np.sin(2 * np.pi * trill_hz * t)))
    return at_db(tone, db) * np.minimum(1, np.minimum(t, seconds - t) / 0.01)


def hear(sound, rate_hz=RATE_HZ, piece_s=0.1, watcher=None, from_s=0.0):
    watcher, events = watcher or SoundWatcher(), []
    size = max(1, round(piece_s * rate_hz))
    for k in range(0, len(sound), size):
        events += watcher.listen(AudioChunk(sound[k : k + size], rate_hz, from_s + k / rate_hz))
    return events


def kinds(events):
    return [e.kind for e in events]


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 44_100, 48_000])
def test_a_whistle_at_every_rate(rate_hz):
    events = hear(mix(whistle(rate_hz=rate_hz), rate_hz=rate_hz), rate_hz)
    assert kinds(events) == ["whistle"]
    assert events[0].at_s == pytest.approx(START_S, abs=0.06)
    assert events[0].detected_s - START_S <= 0.5
    assert (
        events[0].importance == 2 and events[0].facts["length_s"] >= 0.15 and events[0].facts["blasts"] == 1
    )


@pytest.mark.parametrize("seconds", [0.22, 0.4, 2.0])
def test_whistles_of_any_length(seconds):
    assert kinds(hear(mix(whistle(seconds)))) == ["whistle"]


def test_two_tones_that_beat_are_a_whistle():
    t = np.arange(round(0.5 * RATE_HZ)) / RATE_HZ
    assert kinds(
        hear(mix(at_db(np.sin(2 * np.pi * 3300 * t) + 0.7 * np.sin(2 * np.pi * 3370 * t), -26)))
    ) == ["whistle"]


def test_three_blasts_are_one_event():
    piece = np.concatenate([np.concatenate([whistle(0.4), np.zeros(RATE_HZ // 2)]) for _ in range(3)])
    assert kinds(hear(mix(piece))) == ["whistle"]


@pytest.mark.parametrize("rate_hz", [8_000, 48_000])
def test_a_roar_is_a_swell(rate_hz):
    events = hear(mix(roar(rate_hz=rate_hz), rate_hz=rate_hz), rate_hz)
    assert kinds(events) == ["swell"]
    assert events[0].at_s == pytest.approx(START_S, abs=0.25)
    assert events[0].detected_s - START_S < 0.75
    assert events[0].importance == 2 and 8 < events[0].facts["rise_db"] < 25


def gasp(db=-33.5, rate_hz=RATE_HZ, seconds=1.8, falls_db_s=9.0):
    rng = np.random.default_rng(6)
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    fall = 10 ** (-falls_db_s * np.maximum(0, t - 0.4) / 20)
    return at_db(band(rng.standard_normal(len(t)), 200, 2500, rate_hz), db) * np.minimum(1, t / 0.2) * fall


@pytest.mark.parametrize("rate_hz", [8_000, 48_000])
def test_a_gasp_is_told_once_it_has_fallen_again(rate_hz):
    (event,) = hear(mix(gasp(rate_hz=rate_hz), rate_hz=rate_hz), rate_hz)
    assert event.kind == "gasp" and event.importance == 1
    assert event.at_s == pytest.approx(START_S, abs=0.4) and event.detected_s - START_S < 1.6
    assert 3 < event.facts["rise_db"] < 12.5


def test_a_noise_that_stays_and_one_that_grows_slowly_are_no_gasp():
    assert "gasp" not in kinds(hear(mix(gasp(seconds=5.0, falls_db_s=0.5))))
    t = np.arange(4 * RATE_HZ) / RATE_HZ
    slow = crowd(4, db=-34, seed=3) * np.minimum(t / 3, 1) * np.minimum(4 - t, 1)
    assert "gasp" not in kinds(hear(mix(slow)))


@pytest.mark.parametrize("piece_s", [0.005, 0.04, 1.0, 30.0])
def test_pieces_of_any_length_give_the_same_events(piece_s):
    sound = mix(np.concatenate([whistle(), np.zeros(2 * RATE_HZ), roar(1.5)]))
    found = [(e.kind, round(e.at_s, 2)) for e in hear(sound, piece_s=piece_s)]
    assert found == [(e.kind, round(e.at_s, 2)) for e in hear(sound)]
    assert [kind for kind, _ in found] == ["whistle", "swell"]


def test_int16_and_pieces_without_time():
    sound = (mix(whistle()) * 32767).astype(np.int16)
    watcher, events = SoundWatcher(), []
    for k in range(0, len(sound), 800):
        events += watcher.listen(AudioChunk(sound[k : k + 800], RATE_HZ))
    assert kinds(events) == ["whistle"] and events[0].at_s == pytest.approx(START_S, abs=0.06)


def test_silence_is_reported_once():
    sound = np.concatenate([crowd(8.0), 1e-5 * crowd(7.0), crowd(2.0)]).astype(np.float32)
    events = [e for e in hear(sound) if e.kind != "swell"]
    assert kinds(events) == ["silence"] and events[0].importance == 0
    assert events[0].at_s == pytest.approx(8.0, abs=0.1)
    assert events[0].detected_s == pytest.approx(11.0, abs=0.2)


def music(t, lowest_hz=220.0, overtones=6):
    rng, sound = np.random.default_rng(3), np.zeros(len(t))
    for start_s in np.arange(0, t[-1] - 0.3, 0.3):
        note, hz = (t >= start_s) & (t < start_s + 0.3), lowest_hz * 2 ** (int(rng.integers(0, 12)) / 12)
        u = t[note] - start_s
        sound[note] += sum(0.5**k * np.sin(2 * np.pi * hz * (k + 1) * u) for k in range(overtones)) * np.exp(
            -2 * u
        )
    return sound


def drum(t):
    age = t % 0.4
    hits = np.exp(-age / 0.05) * np.sin(2 * np.pi * 95 * age)
    return hits + 0.3 * np.exp(-age / 0.03) * np.random.default_rng(1).standard_normal(len(t))


def birds(t):
    sound = np.zeros(len(t))
    for start_s in (0.2, 0.7, 1.3, 2.2, 2.9):
        note = (t >= start_s) & (t < start_s + 0.2)
        sound[note] = chirp(t[note] - start_s, 2400, 0.2, 3700) * np.hanning(note.sum())
    return sound


def applause(t):
    return np.random.default_rng(2).standard_normal(len(t)) * 10 ** (2 * t / 20)


def chant(t):
    beat = (0.5 + 0.5 * np.sin(2 * np.pi * 1.6 * t)) ** 2
    rng = np.random.default_rng(4)
    return beat * sum(
        np.sin(2 * np.pi * rng.uniform(190, 230) * k * t) / k for k in range(1, 9) for _ in range(4)
    )


def clipped(t):
    return np.clip(9 * np.sin(2 * np.pi * 310 * t), -1, 1)


def beep(t):
    return np.sin(2 * np.pi * 2500 * t) * (t % 1 < 0.4)


def high_notes(t):
    return music(t, 1760.0, 1)


def hum_and_dc(t):
    return np.sin(2 * np.pi * 50 * t) + 3.0


@pytest.mark.parametrize(
    "sound", [music, high_notes, drum, birds, applause, chant, clipped, beep, hum_and_dc]
)
@pytest.mark.parametrize("rate_hz", [16_000, 44_100])
def test_no_whistle_and_no_swell(sound, rate_hz):
    t = np.arange(round((12.0 if sound is applause else 4.0) * rate_hz)) / rate_hz
    events = hear(mix(at_db(sound(t), -24), START_S + t[-1] + 1.0, rate_hz), rate_hz)
    assert [k for k in kinds(events) if k in ("whistle", "swell")] == []


def test_a_bang_is_no_swell():
    assert kinds(hear(mix(roar(0.25, db=-15)))) == []


def test_digital_silence_nan_and_an_empty_piece():
    watcher = SoundWatcher()
    start = np.concatenate([np.zeros(4 * RATE_HZ), crowd(8.0)]).astype(np.float32)
    assert kinds(hear(start, watcher=watcher)) == ["silence"]
    broken = np.full(RATE_HZ, np.nan, np.float32)
    broken[::7], broken[::11] = np.inf, -np.inf
    found = kinds(hear(broken, watcher=watcher, from_s=12.0))
    assert "whistle" not in found
    assert watcher.listen(AudioChunk(np.zeros(0, np.float32), RATE_HZ)) == []
    assert all(np.isfinite(e.at_s) for e in hear(crowd(1.0).astype(np.float32), watcher=watcher, from_s=13.0))


def test_a_change_of_the_rate_is_no_event():
    watcher, events, now_s = SoundWatcher(), [], 0.0
    for rate_hz in (48_000, 8_000, 44_100, 16_000):
        events += hear(crowd(7.0, rate_hz).astype(np.float32), rate_hz, watcher=watcher, from_s=now_s)
        now_s += 7.0
    assert events == []


def test_it_starts_again_where_the_source_jumps_back():
    watcher = SoundWatcher()
    hear(crowd(9.0).astype(np.float32), watcher=watcher, from_s=100.0)
    events = hear(mix(whistle(), 10.0), watcher=watcher)
    assert kinds(events) == ["whistle"] and events[0].at_s == pytest.approx(START_S, abs=0.06)


@pytest.mark.slow
def test_speech_is_reported_once_and_shown_while_it_lasts():
    from experiments.benchmarks.watcher_sounds import spoken

    speech = np.concatenate([spoken(0), spoken(1)])
    sound = mix(at_db(speech, -26), START_S + len(speech) / 48_000 + 6.0, 48_000)
    watcher = SoundWatcher()
    middle = round((START_S + 4.0) * 48_000)
    events = hear(sound[:middle], 48_000, watcher=watcher)
    assert watcher.on_screen() == {"speech": True}
    events += hear(sound[middle:], 48_000, watcher=watcher, from_s=middle / 48_000)
    assert kinds(events) == ["speech"] and events[0].at_s == pytest.approx(START_S, abs=0.6)
    assert watcher.on_screen() == {}


# The functions that decide.


def test_a_rise_must_be_sudden():
    steady = np.random.default_rng(0).normal(-60, 1, 1000)
    assert swell_rise_db(np.concatenate([steady, np.full(25, -48.0)])) == pytest.approx(12, abs=1)
    assert swell_rise_db(np.concatenate([steady, np.linspace(-60, -48, 400)])) is None
    assert swell_rise_db(np.concatenate([steady[:50], np.full(25, -48.0)])) is None  # too little is known


def test_noise_is_flat_and_tones_are_not():
    rng, hz = np.random.default_rng(0), np.arange(130)
    noise = rng.exponential(1.0, (20, 130)).mean(axis=0) / (1 + hz / 30)
    lines = 0.02 * noise + (hz % 9 == 0) * 5.0
    assert flatness(noise) > 0.85 > 0.5 > flatness(lines)


def test_a_trill_is_rough_and_a_plain_tone_is_not():
    rng = np.random.default_rng(0)
    t = np.arange(round(0.3 * RATE_HZ)) / RATE_HZ
    plain = np.sin(2 * np.pi * 2500 * t) + 0.15 * rng.standard_normal(len(t))
    assert is_rough(whistle(0.3, hz=2500), RATE_HZ, 2500)
    assert not is_rough(plain, RATE_HZ, 2500)


def test_a_whistle_keeps_its_pitch():
    assert keeps_pitch(np.array([2900.0, 2930, 2880, 2910, 2900, 2920]))
    assert not keeps_pitch(np.linspace(2400, 3000, 8))


def test_levels_do_not_depend_on_the_rate():
    for rate_hz in (8_000, 16_000, 48_000):
        t = np.arange(rate_hz) / rate_hz
        spectra = FrameCutter().push(
            AudioChunk(np.sin(2 * np.pi * 1000 * t).astype(np.float32), rate_hz, 5.0)
        )
        assert decibels(spectra.band(800, 1200)).mean() == pytest.approx(-3.0, abs=0.1)
        assert spectra.times_s[0] == 5.0


def test_the_share_of_syllables():
    t = np.arange(100) * 0.02
    assert modulation(1 + np.sin(2 * np.pi * 4.5 * t))[0] > 0.9
    assert modulation(1 + np.sin(2 * np.pi * 1.0 * t))[0] < 0.2
