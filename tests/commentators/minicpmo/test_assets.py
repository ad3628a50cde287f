"""The files of MiniCPM-o's voice: complete, incomplete, in other places; and the recording that it imitates."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from commentator_lib.commentators.minicpmo.assets import (
    LONGEST_REFERENCE_S,
    TOKEN2WAV_FILES,
    find_assets,
    find_reference_audio,
    find_unquantised_neighbours,
    read_reference_audio,
)
from commentator_lib.commentators.minicpmo.checkpoint import BF16_HUB_ID, inspect_checkpoint
from tests.commentators.minicpmo.checkpoint_files import (
    AWQ,
    make_assets,
    make_checkpoint,
    the_only_line,
    tone,
    write_wav,
)
from tests.conftest import make_clip

# --- the voice's files


def test_assets_of_the_checkpoint_come_before_its_neighbours(tmp_path):
    folder = make_checkpoint(tmp_path / "MiniCPM-o-4_5-awq", AWQ)
    checkpoint = inspect_checkpoint(folder)
    neighbour = make_assets(tmp_path / "MiniCPM-o-4_5" / "assets")
    assert find_assets(checkpoint) == neighbour
    own = make_assets(folder / "assets")
    assert find_assets(checkpoint) == own
    given = make_assets(tmp_path / "elsewhere")
    assert find_assets(checkpoint, str(given)) == given


def test_assets_path_may_be_a_checkpoint(tmp_path):
    checkpoint = inspect_checkpoint(make_checkpoint(tmp_path / "model"))
    assets = make_assets(tmp_path / "other" / "assets")
    assert find_assets(checkpoint, str(tmp_path / "other")) == assets


@pytest.mark.parametrize(
    "name", ["m-awq", "m_awq", "m-AWQ", "m-int4", "m-awq-int4", "m.awq", "m-4bit", "m_AWQ-INT4"]
)
def test_the_neighbour_has_the_name_without_its_ending(tmp_path, name):
    assert find_unquantised_neighbours(tmp_path / name) == [tmp_path / "m"]


@pytest.mark.parametrize("name", ["m", "awq", "m-awq-tuned", "mawq"])
def test_other_names_have_no_neighbour(tmp_path, name):
    assert find_unquantised_neighbours(tmp_path / name) == []


def test_assets_in_a_hub_cache(tmp_path):
    folder = make_checkpoint(tmp_path / "models--openbmb--MiniCPM-o-4_5-awq" / "snapshots" / "0a1b", AWQ)
    snapshots = tmp_path / "models--openbmb--MiniCPM-o-4_5" / "snapshots"
    (snapshots / "0000").mkdir(parents=True)  # an older one, without assets
    assets = make_assets(snapshots / "ffff" / "assets")
    assert find_assets(inspect_checkpoint(folder)) == assets


@pytest.mark.parametrize("name", TOKEN2WAV_FILES)
@pytest.mark.parametrize("fault", ["missing", "empty", "pointer"])
def test_a_file_of_the_voice_that_lacks_is_named(tmp_path, name, fault):
    folder = make_checkpoint(tmp_path / "model")
    path = make_assets(folder / "assets") / "token2wav" / name
    path.unlink()
    if fault != "missing":
        pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"
        path.write_bytes(pointer if fault == "pointer" else b"")
    line = the_only_line(find_assets, inspect_checkpoint(folder))
    assert name in line and not any(other in line for other in TOKEN2WAV_FILES if other != name)
    assert "speech=false" in line


def test_half_assets_of_its_own_give_way_to_a_whole_neighbour(tmp_path):
    folder = make_checkpoint(tmp_path / "m-awq", AWQ)
    (make_assets(folder / "assets") / "token2wav" / "flow.pt").unlink()
    neighbour = make_assets(tmp_path / "m" / "assets")
    assert find_assets(inspect_checkpoint(folder)) == neighbour


def test_no_assets_says_where_was_looked_and_three_ways_out(tmp_path):
    folder = make_checkpoint(tmp_path / "m-awq", AWQ)
    line = the_only_line(find_assets, inspect_checkpoint(folder))
    for word in (*TOKEN2WAV_FILES, str(folder / "assets"), str(tmp_path / "m" / "assets"), BF16_HUB_ID):
        assert word in line
    assert "assets_path" in line and "speech=false" in line


def test_given_assets_are_not_replaced_by_others_in_silence(tmp_path):
    folder = make_checkpoint(tmp_path / "model")
    make_assets(folder / "assets")
    assert "nowhere" in the_only_line(find_assets, inspect_checkpoint(folder), str(tmp_path / "nowhere"))


# --- the recording to imitate


def encode(path: Path, codec: str, sample_format: str, samples: np.ndarray, rate_hz: int) -> Path:
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=rate_hz, layout="mono")
        stream.format = sample_format
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="flt", layout="mono")
        frame.sample_rate, frame.pts = rate_hz, 0
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            out.mux(packet)
    return path


def strongest_hz(samples, rate_hz=16_000):
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return np.fft.rfftfreq(len(samples), 1 / rate_hz)[int(spectrum.argmax())]


def test_reference_recording_is_chosen_by_its_name(tmp_path):
    for name in ("a.wav", "b/system_ref_audio.wav", "HT_ref_audio.wav", "0_ref_audio.mp3"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    assert find_reference_audio(tmp_path).name == "HT_ref_audio.wav"
    (tmp_path / "HT_ref_audio.wav").unlink()
    assert find_reference_audio(tmp_path).name == "system_ref_audio.wav"
    (tmp_path / "b/system_ref_audio.wav").unlink()
    assert find_reference_audio(tmp_path).name == "a.wav"
    assert find_reference_audio(tmp_path, "mine.wav") == Path("mine.wav")
    (tmp_path / "a.wav").unlink()
    assert "reference_audio_path" in the_only_line(find_reference_audio, tmp_path)


def test_recording_at_16_khz_comes_back_as_it_is(tmp_path):
    made = tone(3, 16_000)
    found = read_reference_audio(write_wav(tmp_path / "a.wav", [made], 16_000))
    assert found.dtype == np.float32 and found.shape == (48_000,) and found.flags.c_contiguous
    assert np.abs(found - made).max() < 1e-3


def test_stereo_at_44_1_khz_is_mixed_and_resampled(tmp_path):
    left, right = tone(2, 44_100, 0.4, 300.0), tone(2, 44_100, 0.2, 1000.0)
    found = read_reference_audio(write_wav(tmp_path / "a.wav", [left, right], 44_100))
    assert found.dtype == np.float32 and found.ndim == 1 and abs(len(found) - 32_000) <= 2
    spectrum = np.abs(np.fft.rfft(found[:32_000] * np.hanning(len(found[:32_000]))))
    strengths = [spectrum[2 * hz - 4 : 2 * hz + 5].max() for hz in (300, 1000)]  # bins of half a hertz
    assert strengths[0] / strengths[1] == pytest.approx(2, rel=0.05)
    both = (tone(2, 16_000, 0.2, 300.0) + tone(2, 16_000, 0.1, 1000.0))[4000:28_000]
    assert np.abs(found[4000:28_000] - both).max() < 0.01


@pytest.mark.parametrize(
    ("name", "codec", "sample_format"), [("a.flac", "flac", "s16"), ("a.mp3", "libmp3lame", "fltp")]
)
def test_other_formats(tmp_path, name, codec, sample_format):
    path = encode(tmp_path / name, codec, sample_format, tone(4, 24_000), 24_000)
    found = read_reference_audio(path)
    assert abs(len(found) / 16_000 - 4) < 0.15
    assert strongest_hz(found) == pytest.approx(220, abs=2)
    assert np.abs(found).max() == pytest.approx(0.3, abs=0.03)


@pytest.mark.parametrize("seconds", [1.0, LONGEST_REFERENCE_S])
def test_lengths_at_the_limits_are_taken(tmp_path, seconds):
    found = read_reference_audio(write_wav(tmp_path / "a.wav", [tone(seconds, 16_000)], 16_000))
    assert len(found) == seconds * 16_000


def test_too_short_says_how_long(tmp_path):
    line = the_only_line(read_reference_audio, write_wav(tmp_path / "a.wav", [tone(0.3, 16_000)], 16_000))
    assert "0.3 s long" in line and "3 to 10 s" in line


@pytest.mark.parametrize("rate_hz", [16_000, 44_100])
@pytest.mark.parametrize("seconds", [15.2, 16.84, 40.0, 300.0])
def test_too_long_is_cut_with_a_notice(tmp_path, caplog, seconds, rate_hz):
    path = write_wav(tmp_path / "a.wav", [tone(seconds, rate_hz)], rate_hz)
    found = read_reference_audio(path)
    assert LONGEST_REFERENCE_S - 2 <= len(found) / 16_000 <= LONGEST_REFERENCE_S
    (notice,) = [record.message for record in caplog.records]
    assert f"{seconds:.1f} s long" in notice and f"its first {len(found) / 16_000:.1f} s are used" in notice


def test_a_long_recording_is_cut_in_a_pause_between_words(tmp_path):
    voice = tone(16.84, 16_000)
    voice[14 * 16_000 : round(14.2 * 16_000)] *= 0.01  # the pause
    found = read_reference_audio(write_wav(tmp_path / "a.wav", [voice], 16_000))
    assert 14.0 <= len(found) / 16_000 <= 14.2


def test_silence_is_refused_and_a_quiet_voice_is_not(tmp_path):
    assert "silent" in the_only_line(
        read_reference_audio, write_wav(tmp_path / "a.wav", [np.zeros(32_000)], 16_000)
    )
    hiss = tone(2, 16_000, 0.001)  # −63 dBFS
    assert "silent (-63 dBFS)" in the_only_line(
        read_reference_audio, write_wav(tmp_path / "b.wav", [hiss], 16_000)
    )
    quiet = read_reference_audio(write_wav(tmp_path / "c.wav", [tone(2, 16_000, 0.01)], 16_000))  # −43 dBFS
    assert len(quiet) == 32_000


def test_what_is_no_sound(tmp_path):
    assert "no reference recording" in the_only_line(read_reference_audio, tmp_path / "none.wav")
    assert "no reference recording" in the_only_line(read_reference_audio, tmp_path)
    text = tmp_path / "text.wav"
    text.write_text("this is no sound\n" * 100)
    assert "cannot be decoded as sound" in the_only_line(read_reference_audio, text)
    (tmp_path / "empty.wav").write_bytes(b"")
    assert "cannot be decoded as sound" in the_only_line(read_reference_audio, tmp_path / "empty.wav")
    film = make_clip(tmp_path / "film.mp4", frames=3)
    assert "no sound in it" in the_only_line(read_reference_audio, film)


def test_a_wav_without_samples_is_too_short(tmp_path):
    assert "0.0 s long" in the_only_line(
        read_reference_audio, write_wav(tmp_path / "a.wav", [np.zeros(0)], 16_000)
    )
