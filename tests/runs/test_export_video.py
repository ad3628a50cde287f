"""An exported run: picture where it was seen, voice where it was heard, captions where they were read."""

from __future__ import annotations

import json
import wave

import av
import numpy as np
import pytest

from commentator_lib.commentators.scripted import CostModel, ScriptedCommentator
from commentator_lib.runs.caption_painter import CaptionPainter
from commentator_lib.runs.captions import cues
from commentator_lib.runs.export_video import write_mp4, write_wav
from commentator_lib.runs.log import finish_run
from commentator_lib.runs.planes import PictureFitter
from commentator_lib.runs.reader import load_run, read_shown
from commentator_lib.runs.timeline import ExportError, timeline, voice_intervals, voice_track
from commentator_lib.session import LiveSession
from commentator_lib.settings import Settings
from commentator_lib.sound.loudness import measure
from commentator_lib.sources.open import demo_clips
from commentator_lib.video_writer import H264Writer, SoundTrack
from tests.conftest import level_dbfs, small_disk


def test_recording_holds_every_frame_at_its_time_with_the_voice(run, film):
    pictures, sound, progress = film.pictures, film.sound, film.progress
    shown = read_shown(run.folder)
    zero_s, end_s = timeline(run, shown)
    times = np.array([at for at, _ in pictures])
    for shown_s in shown[:, 3]:
        assert np.abs(times - (shown_s - zero_s)).min() < 0.001
    assert pictures[0][1].shape == (180, 320, 3)
    assert len(sound) / 48_000 == pytest.approx(end_s - zero_s, abs=0.05)
    for row in run.cycles.query("outcome == 'spoken'").itertuples():
        from_n, to_n = (round((t - zero_s) * 48_000) for t in (row.heard_from_s, row.heard_to_s))
        assert level_dbfs(sound[from_n + 4800 : to_n - 4800]) > -30
        assert level_dbfs(sound[to_n + 9600 : to_n + 14_400]) < -60 or to_n + 14_400 > len(sound)
    assert progress == sorted(progress) and progress[-1] > 0.9
    assert not list(film.path.parent.glob("*.part"))


def test_pictures_are_the_sources(film):
    with av.open(demo_clips()[0]) as file:
        source = [
            f.reformat(width=320, height=180, format="rgb24").to_ndarray() for f in file.decode(video=0)
        ]
    for k in (0, 40, 100):
        top = slice(0, 120)  # above the captions
        assert np.abs(film.pictures[k][1][top].astype(int) - source[k][top]).mean() < 6


def test_captions_are_seen_while_their_words_are_heard(run, film):
    found = cues(run)
    assert [c.text for c in found][:2] == ["A grey rabbit climbs out. It", "stretches."] or found[
        0
    ].text.startswith("A grey rabbit")
    first = run.cycles.iloc[0]
    assert found[0].from_s == pytest.approx(first.heard_from_s, abs=0.05)
    assert all(a.to_s <= b.from_s + 1e-6 for a, b in zip(found, found[1:], strict=False))
    zero_s, _ = timeline(run, read_shown(run.folder))
    strip = slice(140, 170)
    shows = [any(c.from_s < at + zero_s < c.to_s for c in found) for at, _ in film.pictures]
    light = [p[strip].mean() for _, p in film.pictures]
    with_caption = np.mean([x for x, on in zip(light, shows, strict=True) if on])
    without = np.mean([x for x, on in zip(light, shows, strict=True) if not on])
    assert with_caption < 0.75 * without  # the words stand on a dark strip


def test_captions_are_a_subtitle_track_too(run, film):
    zero_s, _ = timeline(run, read_shown(run.folder))
    with av.open(str(film.path)) as file:
        packets = [p for p in file.demux(subtitles=0) if p.size > 2]
        found = [(float(p.pts * p.time_base), bytes(p)[2:].decode()) for p in packets]
        assert file.streams.subtitles[0].codec_context.name == "mov_text"
    wanted = [(cue.from_s - zero_s, "\n".join(cue.lines)) for cue in cues(run)]
    assert [text for _, text in found] == [text for _, text in wanted] and len(found) > 1
    for (at_s, _), (wanted_s, _) in zip(found, wanted, strict=True):
        assert at_s == pytest.approx(wanted_s, abs=0.002)


def test_wav_is_the_sound_alone(run, tmp_path):
    seconds = write_wav(run, tmp_path / "out.wav")
    with wave.open(str(tmp_path / "out.wav")) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (48_000, 1, 2)
        assert file.getnframes() / 48_000 == pytest.approx(seconds)


def test_track_places_sound_to_the_sample(run):
    first = run.cycles.iloc[0]
    track = voice_track(run, first.heard_from_s - 0.5, first.heard_to_s + 0.2)
    loud = np.flatnonzero(np.abs(track.astype(int)) > 200)
    assert loud[0] / 48_000 == pytest.approx(0.5, abs=0.005)


@pytest.mark.slow
def test_killed_run_is_finished_later(run, killed, export):
    folder = killed
    assert finish_run(folder) is True
    again = load_run(folder)
    assert (
        again.header["recovered"] and again.header["outcomes"]["spoken"] == run.header["outcomes"]["spoken"]
    )
    assert len(export(again, folder / "commentary.mp4").pictures) >= 132
    assert finish_run(run.folder) is False


def test_clip_that_changed_or_went_is_refused(killed, tmp_path):
    folder = killed
    header = json.loads((folder / "run.json").read_text())
    name = next(iter(header["clip_sha256"]))
    header["clip_sha256"][name] = "0" * 64
    (folder / "run.json").write_text(json.dumps(header))
    with pytest.raises(ExportError, match="not the one"):
        write_mp4(load_run(folder), tmp_path / "out.mp4")
    header |= {"source": ["gone.mp4"], "clip_sha256": {"gone.mp4": "0"}}
    (folder / "run.json").write_text(json.dumps(header))
    with pytest.raises(ExportError, match="gone.mp4 is gone"):
        write_mp4(load_run(folder), tmp_path / "out.mp4")


def test_run_in_which_nothing_happened(killed, tmp_path):
    folder = killed
    for name in ("shown.csv", "events.jsonl"):
        (folder / name).write_text("")
    with pytest.raises(ExportError, match="nothing was shown"):
        write_mp4(load_run(folder), tmp_path / "out.mp4")


def test_target_that_cannot_be_written(run, tmp_path):
    with pytest.raises(ExportError, match="cannot write"):
        write_mp4(run, tmp_path / "no" / "folder" / "out.mp4")


@pytest.mark.slow
def test_full_disk_is_one_line_and_leaves_no_half_a_film(run, tmp_path):
    with small_disk(tmp_path / "disk", 32) as disk:
        with pytest.raises(ExportError, match="cannot write .*No space left"):
            write_mp4(run, disk / "out.mp4")
        assert list(disk.iterdir()) == []


@pytest.mark.parametrize("size", [(10, 10), (200, 50), (50, 200), (1, 1), (321, 181), (320, 180)])
@pytest.mark.parametrize("decoded", [False, True])
def test_pictures_keep_their_aspect_and_are_filled_up_with_black(size, decoded):
    width, height = size
    picture = np.full((height, width, 3), 255, np.uint8)
    given = av.VideoFrame.from_ndarray(picture, format="rgb24")
    out = PictureFitter(320, 180).fitted(given.reformat(format="yuv420p") if decoded else picture)
    out = out.to_ndarray(format="rgb24")
    lit = (out[..., 0] > 128).nonzero()
    h, w = np.ptp(lit[0]) + 1, np.ptp(lit[1]) + 1
    assert out.shape == (180, 320, 3) and (h >= 179 or w >= 319)
    assert w / h == pytest.approx(width / height, rel=0.05)
    assert (PictureFitter(320, 180).fitted(None).to_ndarray(format="rgb24") == 0).all()


@pytest.mark.parametrize("colorspace", ["ITU709", "ITU601"])
def test_pictures_of_other_colours_look_the_same_among_the_others(colorspace):
    red = np.zeros((90, 160, 3), np.uint8)
    red[:] = (200, 40, 60)
    made = av.VideoFrame.from_ndarray(red, format="rgb24")
    hd = made.reformat(format="yuv420p", dst_colorspace=colorspace)
    other = made.reformat(format="yuv420p", dst_colorspace="ITU709")
    fitter = PictureFitter(160, 90, like=hd)
    for given in (hd, other, red):
        fitted = fitter.fitted(given).to_ndarray()  # without its mark: the file has that of `hd`
        marked = av.VideoFrame.from_ndarray(fitted, format="yuv420p")
        seen = marked.reformat(format="rgb24", src_colorspace=colorspace).to_ndarray()
        assert np.abs(seen.astype(int) - red).max() < 8


def test_the_decoder_keeps_its_pictures_to_itself():
    picture = av.VideoFrame.from_ndarray(np.full((90, 160, 3), 90, np.uint8), format="rgb24")
    picture = picture.reformat(format="yuv420p")
    painter = CaptionPainter(160, 90, "somebody")
    before = picture.to_ndarray()
    painted = painter.painted(picture, "A goal!")
    assert np.array_equal(picture.to_ndarray(), before)
    seen = painted.to_ndarray(format="gray").astype(int)
    assert (seen[:40] == seen[0, 0]).all() and seen.max() > 180 and seen[60:86].min() < 60
    assert np.array_equal(painter.painted(picture, "A goal!").to_ndarray(), painted.to_ndarray())


# --- a source with sound


TONE_HZ, BEEP_S = 500, 2.0


@pytest.fixture(scope="module")
def sounding_run(tmp_path_factory):
    """Return a run of a clip of 5 s that flashes and beeps at 2 s over a steady tone, with a tone as voice."""
    folder = tmp_path_factory.mktemp("sounding")
    at_s = np.arange(5 * 48_000) / 48_000
    sound = 0.05 * np.sin(2 * np.pi * TONE_HZ * at_s)
    beeps = (at_s >= BEEP_S) & (at_s < BEEP_S + 0.2)
    sound[beeps] += 0.5 * np.sin(2 * np.pi * 3000 * at_s[beeps])
    with H264Writer(
        folder / "clip.mp4",
        320,
        180,
        25,
        encoder={"preset": "ultrafast"},
        sound_tracks=[SoundTrack("crowd", channels=2)],
    ) as video:
        for k in range(125):
            flash = 220 if BEEP_S <= k / 25 < BEEP_S + 0.2 else 60
            video.write(np.full((180, 320, 3), flash, np.uint8))
            piece = sound[k * 1920 : (k + 1) * 1920].astype(np.float32)
            video.write_sound(np.stack([piece, piece], axis=1), k * 1920)
    LiveSession(
        str(folder / "clip.mp4"),
        Settings(change_threshold=0.0, commentator="scripted"),
        commentator=ScriptedCommentator(
            ["Somebody runs. It is fast."], CostModel(0.5, 0, 1.5, 0, 0.2), "tone"
        ),
        mode="what-if",
        run_dir=folder / "run",
    ).run()
    return load_run(folder / "run")


def sound_tracks(path):
    """Return a file's sound tracks by title, (N, channels) float32."""
    found = {}
    with av.open(str(path)) as file:
        titles = [stream.metadata["handler_name"] for stream in file.streams.audio]
    for k, title in enumerate(titles):
        with av.open(str(path)) as file:
            found[title] = np.concatenate([f.to_ndarray().T for f in file.decode(audio=k)])
    return found


def strength(samples, hz, from_s, to_s):
    """Return the amplitude of a tone within (N,) samples."""
    part = samples[round(from_s * 48_000) : round(to_s * 48_000)]
    wave = np.exp(-2j * np.pi * hz * np.arange(len(part)) / 48_000)
    return 2 * abs(np.mean(part * wave))


def test_mix_programme_and_voice_are_in_step_with_the_picture(sounding_run, tmp_path):
    write_mp4(sounding_run, tmp_path / "out.mp4")
    tracks = sound_tracks(tmp_path / "out.mp4")
    assert list(tracks) == ["mix", "programme", "voice"]
    assert [t.shape[1] for t in tracks.values()] == [2, 2, 1]
    with av.open(str(tmp_path / "out.mp4")) as file:
        light = [
            (float(f.pts * f.time_base), f.to_ndarray(format="gray").mean()) for f in file.decode(video=0)
        ]
    flash_s = next(at_s for at_s, level in light if level > 140)
    beep_s = (np.abs(tracks["programme"][:, 0]) > 0.2).argmax() / 48_000
    assert beep_s == pytest.approx(flash_s, abs=0.005)
    mix, programme, voice = (tracks[name][:, 0] for name in ("mix", "programme", "voice"))
    assert {len(mix), len(programme), len(voice)} <= set(range(len(mix) - 1024, len(mix) + 1025))
    zero_s, _ = timeline(sounding_run, read_shown(sounding_run.folder))
    from_s, to_s = (at_s - zero_s for at_s in voice_intervals(sounding_run)[0])
    assert to_s - from_s > 0.5
    quiet = strength(mix, TONE_HZ, from_s + 0.02, to_s) / strength(programme, TONE_HZ, from_s + 0.02, to_s)
    assert 20 * np.log10(quiet) == pytest.approx(-12, abs=1)
    assert measure(tracks["mix"], 48_000).true_peak_dbtp <= -1


@pytest.mark.parametrize("track, channels", [("mix", 2), ("programme", 2), ("voice", 1)])
def test_wav_of_each_track(sounding_run, tmp_path, track, channels):
    seconds = write_wav(sounding_run, tmp_path / "out.wav", track)
    zero_s, end_s = timeline(sounding_run, read_shown(sounding_run.folder))
    assert seconds == pytest.approx(end_s - zero_s, abs=1e-3)
    with wave.open(str(tmp_path / "out.wav")) as file:
        assert (file.getframerate(), file.getnchannels()) == (48_000, channels)
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, channels)[:, 0] / 32768
    beep, hum = (strength(samples, hz, BEEP_S, len(samples) / 48_000) for hz in (3000, TONE_HZ))
    assert (beep > 0.001, hum > 0.005) == (track != "voice", track != "voice")


def test_silent_source_has_the_voice_alone(tmp_path):
    LiveSession(
        "synthetic:4",
        Settings(change_threshold=0.0, commentator="scripted"),
        commentator=ScriptedCommentator(["It moves."], CostModel(0.5, 0, 1.5, 0, 0.2), "tone"),
        mode="what-if",
        run_dir=tmp_path / "run",
    ).run()
    silent = load_run(tmp_path / "run")
    write_mp4(silent, tmp_path / "out.mp4")
    assert list(sound_tracks(tmp_path / "out.mp4")) == ["voice"]
    assert write_wav(silent, tmp_path / "out.wav") > 3
    with pytest.raises(ExportError, match="no mix to export"):
        write_wav(silent, tmp_path / "mix.wav", "mix")


def test_part_of_a_run_is_as_long_as_asked_and_shows_what_was_seen_then(run, film, tmp_path):
    part = tmp_path / "part.mp4"
    zero_s, _ = timeline(run, read_shown(run.folder))
    write_mp4(run, part, from_s=zero_s + 2.0, to_s=zero_s + 4.0)
    with av.open(str(part)) as file:
        assert file.duration / av.time_base == pytest.approx(2.0, abs=0.3)
        pictures = [(f.time, f.to_ndarray(format="rgb24")) for f in file.decode(video=0)]
    at_s, seen = pictures[10]
    same = min(film.pictures, key=lambda one: abs(one[0] - (at_s + 2.0)))[1]
    assert np.abs(seen.astype(int) - same).mean() < 6
    with pytest.raises(ExportError, match="nothing was shown"):
        write_mp4(run, tmp_path / "none.mp4", from_s=1e6)
