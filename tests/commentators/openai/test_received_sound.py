"""Sound from servers: WAV files and bare PCM in base64, however they are cut and whatever they state."""

from __future__ import annotations

import base64
import io
import random
import struct
import wave

import numpy as np
import pytest

from commentator_lib.commentators.openai.received_sound import Base64Pieces, ReceivedSound, SoundError

PCM = np.random.default_rng(3).integers(-20_000, 20_000, 3000).astype("<i2")
EXPECTED = PCM.astype(np.float32) / 32768


def wav(pcm, rate_hz=24_000, channels=1):
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(channels)
        writer.setsampwidth(2)
        writer.setframerate(rate_hz)
        writer.writeframes(np.asarray(pcm, "<i2").tobytes())
    return file.getvalue()


def float_wav(samples, rate_hz=16_000):
    """Return a WAV file of 32-bit floats with a format chunk of the extensible kind."""
    data = np.asarray(samples, "<f4").tobytes()
    tail = struct.pack("<HHIH", 22, 32, 4, 3) + bytes(14)
    fmt = struct.pack("<HHIIHH", 0xFFFE, 1, rate_hz, rate_hz * 4, 4, 32) + tail
    chunks = b"fmt " + struct.pack("<I", len(fmt)) + fmt + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


def pieces_of(data, seed, most=12):
    """Return data cut anywhere, in as many pieces as chance will have it."""
    rng = random.Random(seed)
    cuts = sorted(rng.sample(range(1, len(data)), rng.randint(0, most)))
    return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]


def decoded(pieces, **stated):
    sound = ReceivedSound()
    return np.concatenate([sound.push(piece, **stated) for piece in pieces]), sound.layout


def small_wavs(rate_hz=22_050, step=700):
    return [wav(PCM[k : k + step], rate_hz) for k in range(0, len(PCM), step)]


def header_once(size):
    """Return a WAV file whose header states this size, and bare samples behind it."""
    first = bytearray(wav(PCM[:700]))
    first[40:44] = struct.pack("<I", size)
    return [bytes(first), *(PCM[k : k + 700].tobytes() for k in range(700, len(PCM), 700))]


@pytest.mark.parametrize("seed", range(60))
@pytest.mark.parametrize(
    "data",
    [wav(PCM, 22_050), b"".join(small_wavs()), b"".join(header_once(0xFFFFFFFF)), PCM.tobytes()],
    ids=["one file", "small files", "no end stated", "bare"],
)
def test_however_it_is_cut_the_sound_is_the_same(data, seed):
    samples, _ = decoded(pieces_of(data, seed))
    assert np.array_equal(samples, EXPECTED)
    text = base64.b64encode(data).decode()
    sound = ReceivedSound()
    samples = np.concatenate([sound.push_base64(piece) for piece in pieces_of(text, seed)])
    assert np.array_equal(samples, EXPECTED)


@pytest.mark.parametrize(
    ("pieces", "rate_hz"),
    [
        (small_wavs(), 22_050),
        (header_once(1400), 24_000),  # the size of the first piece alone
        (header_once(0), 24_000),
        (header_once(0x7FFFFFFF), 24_000),
        ([wav(PCM, 8000) + b"LIST" + struct.pack("<I", 6) + b"INFO\0\0"], 8000),
        ([*small_wavs()[:2], b"LIST\x04\0\0\0abcd", *small_wavs()[2:]], 22_050),
    ],
)
def test_headers_of_every_kind(pieces, rate_hz):
    samples, layout = decoded(pieces)
    assert np.array_equal(samples, EXPECTED) and layout.rate_hz == rate_hz


def test_channels_are_mixed_and_floats_are_read():
    stereo = PCM.reshape(-1, 2)
    samples, layout = decoded([wav(stereo, 48_000, channels=2)])
    assert np.allclose(samples, stereo.mean(axis=1) / 32768, atol=1e-6) and layout.channels == 2
    samples, _ = decoded([stereo.tobytes()], kind="pcm", rate_hz=48_000, channels=2)
    assert np.allclose(samples, stereo.mean(axis=1) / 32768, atol=1e-6)
    values = np.array([0.5, -0.25, 7.0, np.nan], np.float32)
    samples, layout = decoded([float_wav(values)])
    assert np.allclose(samples, [0.5, -0.25, 1.0, 0.0]) and layout.rate_hz == 16_000
    samples, _ = decoded([values.astype("<f4").tobytes()[:5], values.tobytes()[5:]], kind="pcm_f32le")
    assert np.allclose(samples, [0.5, -0.25, 1.0, 0.0])


def test_bare_samples_are_as_stated_and_a_header_goes_before_that():
    assert decoded([PCM.tobytes()])[1].rate_hz == 24_000
    assert decoded([PCM.tobytes()], rate_hz=16_000)[1].rate_hz == 16_000
    assert decoded([wav(PCM, 8000)], rate_hz=16_000)[1].rate_hz == 8000
    sound = ReceivedSound()
    sound.push(PCM.tobytes(), rate_hz=16_000)
    sound.push(PCM.tobytes(), rate_hz=48_000)
    assert sound.layout.rate_hz == 48_000  # whoever plays it sees that it changed


@pytest.mark.parametrize(
    ("data", "stated", "words"),
    [
        (b"OggS" + bytes(40), {}, "ogg"),
        (b"fLaC" + bytes(40), {}, "flac"),
        (bytes(40), {"kind": "mp3"}, "mp3"),
        (bytes(40), {"kind": "audio/opus"}, "opus"),
        (bytes(40), {"rate_hz": 7}, "7 Hz"),
        (bytes(40), {"channels": 99}, "99 channels"),
        (b"RIFF\0\0\0\0WAVEdata\x04\0\0\0abcd", {}, "how its samples lie"),
        (wav(PCM)[:34] + struct.pack("<H", 24) + wav(PCM)[36:], {}, "24 bits"),
        (b"RIFF\0\0\0\0WAVEjunk\xff\xff\xff\x7f", {}, "no samples"),
    ],
)
def test_what_cannot_be_read_is_named(data, stated, words):
    with pytest.raises(SoundError, match=words):
        decoded([data], **stated)


def test_base64_of_every_kind():
    data = bytes(range(250))
    text = base64.b64encode(data).decode()
    assert Base64Pieces().push(f"data:audio/wav;base64,{text}") == data
    assert Base64Pieces().push(f"{text[:99]}\n  {text[99:]}") == data
    pieces = Base64Pieces()
    assert pieces.push(text[:101]) + pieces.push(text[101:]) == data
    for wrong in ("no base64!", "ab=c", "é"):
        with pytest.raises(SoundError, match="no base64"):
            Base64Pieces().push(wrong)


def test_nothing_is_no_sound():
    samples, _ = decoded([b"", b"RI", b""])
    assert samples.size == 0
