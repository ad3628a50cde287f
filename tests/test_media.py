"""Sound: the streaming resampler, formats, silence."""

from __future__ import annotations

import numpy as np
import pytest

from commentator_lib.media import (
    PLAYBACK_RATE_HZ,
    AudioChunk,
    PlaybackResampler,
    silence,
    to_float32,
    to_int16,
    trim_silence,
)


def sine(seconds=1.0, rate=24_000, hertz=1000.0, level=0.5):
    t = np.arange(int(seconds * rate)) / rate
    return (level * np.sin(2 * np.pi * hertz * t)).astype(np.float32)


def resampled(samples, sizes, rate=24_000):
    stream, parts, at = PlaybackResampler(), [], 0
    for size in sizes:
        parts.append(stream.push(AudioChunk(samples[at : at + size], rate)))
        at += size
    assert at >= len(samples)
    return np.concatenate([*parts, stream.flush()])


def roughness(pcm):
    """Return the largest second difference of the samples, which is large where there is a click."""
    return np.abs(np.diff(pcm.astype(int), 2)).max()


SIZES = {"even": [2400] * 10, "odd": [1, 7, 997, 6007, 3, 5000] * 3, "tiny": [480] * 50}


@pytest.mark.parametrize("sizes", SIZES)
def test_chunks_give_what_the_whole_gives(sizes):
    whole = resampled(sine(), [24_000])
    assert len(whole) == 48_000
    chunked = resampled(sine(), SIZES[sizes])
    assert len(chunked) == len(whole) and np.abs(chunked.astype(int) - whole).max() <= 1


@pytest.mark.parametrize("sizes", SIZES)
def test_no_click_at_chunk_borders(sizes):
    inner = slice(500, -500)  # the sound itself starts and ends hard
    smooth = roughness(resampled(sine(), [24_000])[inner])
    assert roughness(resampled(sine(), SIZES[sizes])[inner]) <= smooth + 2


def test_resampling_each_chunk_alone_would_click():
    smooth = roughness(resampled(sine(), [24_000])[500:-500])
    alone = [resampled(part, [len(part)]) for part in np.split(sine(), 48)]
    assert roughness(np.concatenate(alone)[500:-500]) > 2 * smooth


@pytest.mark.parametrize("rate", [16_000, 22_050, 44_100, 48_000])
def test_other_rates(rate):
    pcm = resampled(sine(rate=rate), [5000] * 10, rate)
    assert len(pcm) == pytest.approx(48_000, abs=2)
    spectrum = np.abs(np.fft.rfft(pcm * np.hanning(len(pcm))))
    assert np.argmax(spectrum) == pytest.approx(1000, abs=2)


def test_rate_must_not_change_in_mid_comment():
    stream = PlaybackResampler()
    stream.push(AudioChunk(sine(0.1), 24_000))
    with pytest.raises(ValueError, match="24000 → 16000"):
        stream.push(AudioChunk(sine(0.1), 16_000))


def test_int16_clips_and_takes_no_nonsense():
    values = np.array([0.0, 1.0, -1.0, 3.0, -3.0, np.nan, np.inf, -np.inf], np.float32)
    assert to_int16(values).tolist() == [0, 32767, -32767, 32767, -32767, 0, 32767, -32767]
    pcm = np.array([-32768, 0, 32767], np.int16)
    assert to_int16(pcm) is pcm
    assert np.abs(to_int16(to_float32(pcm)).astype(int) - pcm).max() <= 1


def test_trimming_keeps_the_sound_and_drops_the_padding():
    padded = np.concatenate([np.zeros(7200), sine(0.5), np.zeros(9600)]).astype(np.float32)
    cut = trim_silence(AudioChunk(padded, 24_000))
    assert cut.duration_s == pytest.approx(0.56, abs=0.02)
    assert np.abs(cut.samples[1000:-1000]).max() == pytest.approx(0.5, abs=0.01)
    assert abs(cut.samples[0]) < 0.01 and abs(cut.samples[-1]) < 0.01


def test_trimming_leaves_what_is_loud_throughout_and_empties_silence():
    assert trim_silence(AudioChunk(sine(0.5), 24_000)).duration_s == 0.5
    assert len(trim_silence(AudioChunk(np.zeros(24_000, np.float32), 24_000)).samples) == 0
    assert len(trim_silence(AudioChunk(np.zeros(0, np.float32), 24_000)).samples) == 0


def test_silence_takes_no_room():
    chunk = silence(3600.0, PLAYBACK_RATE_HZ)
    assert chunk.duration_s == 3600.0 and not chunk.samples[:10].any() and chunk.samples.strides == (0,)


def test_silence_of_any_shape_is_converted_as_other_sound_is():
    for shape in [(0,), (5,), (5, 2)]:
        assert to_int16(np.zeros(shape, np.float32)).shape == shape
    shared = to_int16(silence(0.5, 48_000).samples)
    assert shared.dtype == np.int16 and shared.shape == (24_000,) and not shared.any()
    assert to_int16(np.array([np.nan, 0.0], np.float32)).tolist() == [0, 0]
