"""bench_sound without a browser: the exported file, the samples at rest, the mix, and the cost."""

from __future__ import annotations

import time
import wave
from pathlib import Path
from typing import Any

import numpy as np

from commentator_lib.commentators.scripted import CostModel, ScriptedCommentator
from commentator_lib.media import PLAYBACK_RATE_HZ, AudioChunk, Frame, to_float32
from commentator_lib.players.base import Player
from commentator_lib.runs.export_video import write_mp4, write_wav
from commentator_lib.runs.reader import load_run
from commentator_lib.session import LiveSession
from commentator_lib.settings import Settings
from commentator_lib.sound.loudness import measure
from commentator_lib.sources.synthetic import SyntheticSource
from commentator_lib.sources.video import FileSource
from experiments.benchmarks.session_cost import MemoryMarks, core_share_of
from experiments.benchmarks.sound_clips import errors_ms, make_flashing_clip, starts_s, summary

R = PLAYBACK_RATE_HZ


class Recorder(Player):
    """Keeps the programme's sound that it is given, on one time line."""

    name = "recorder"

    def __init__(self) -> None:
        self.pieces: list[tuple[float, np.ndarray]] = []

    def show(self, frame: Frame, due_at_s: float) -> None:
        pass

    def play_programme(self, pcm: AudioChunk, start_at_s: float) -> None:
        self.pieces.append((start_at_s, pcm.samples))


def _what_if(
    clip: Path, folder: Path | None, players: list[Player], first_s: float, says: str, **settings
) -> LiveSession:
    commentator = ScriptedCommentator([says], CostModel(first_s, 0.0, 4.0, 0.5, 0.0), seed=1)
    session = LiveSession(
        str(clip),
        Settings(commentator="scripted", change_threshold=0.0, watchers=(), **settings),
        commentator=commentator,
        players=players,
        mode="what-if",
        run_dir=folder,
    )
    return session.run()


def _seconds(frame: Any) -> float:
    return float(frame.pts * frame.time_base)


def _decoded(path: Path) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return (flash times of the picture in s, title of each sound track → its samples (N, channels) float32)."""
    import av

    lit: list[tuple[float, bool]] = []
    with av.open(str(path)) as file:
        for frame in file.decode(video=0):
            image = frame.to_ndarray(format="gray")
            lit.append((_seconds(frame), bool(image[len(image) // 3, image.shape[1] // 2] > 128)))
    flashes = np.asarray([t for (_, a), (t, b) in zip(lit, lit[1:], strict=False) if b and not a])
    tracks: dict[str, np.ndarray] = {}
    with av.open(str(path)) as file:
        for k, stream in enumerate(file.streams.audio):
            title = stream.metadata.get("title") or stream.metadata.get("handler_name") or str(k)
            line = np.zeros((0, stream.codec_context.layout.nb_channels), np.float32)
            file.seek(0)
            for frame in file.decode(stream):
                first = round(_seconds(frame) * R)
                samples = frame.to_ndarray().T.astype(np.float32)
                if len(line) < first + len(samples):
                    line = np.concatenate(
                        [line, np.zeros((first + len(samples) - len(line), line.shape[1]), np.float32)]
                    )
                line[max(0, first) : first + len(samples)] = samples[max(0, -first) :]
            tracks[title] = line
    return flashes, tracks


def measure_mp4(folder: Path, seconds: float) -> dict:
    """Return beep − flash in the exported MP4 while the delay falls from 5 s, in ms."""
    clip, run_folder, out = folder / "mp4.mp4", folder / "mp4-run", folder / "out.mp4"
    make_flashing_clip(clip, max(seconds, 60.0))
    _what_if(
        clip, run_folder, [], 0.2, "All is well.", delay_init_s=5.0, policy="serial", delay_ema_alpha=1.0
    )
    began_s = time.process_time()
    write_mp4(load_run(run_folder), out)
    used_s = time.process_time() - began_s
    flashes, tracks = _decoded(out)
    return {
        **summary(errors_ms(flashes, starts_s(tracks["programme"][:, 0], 0.12))),
        "tracks": list(tracks),
        "export_processor_s_a_minute": round(60 * used_s / max(seconds, 60.0), 2),
    }


def measure_exact(folder: Path, seconds: float) -> dict:
    """Return how the programme's samples at rest differ from the source's, in int16 steps."""
    clip = folder / "exact.mp4"
    make_flashing_clip(clip, seconds)
    ears = Recorder()
    session = _what_if(clip, None, [ears], 0.5, "...", delay_init_s=0.8, policy="serial", delay_ema_alpha=0.0)
    zero_s = ears.pieces[0][0]
    line = np.zeros((round((seconds + 2) * R), 2), np.int16)
    for at_s, samples in ears.pieces:
        first = round((at_s - zero_s) * R)
        line[first : first + len(samples)] = samples
    source, pieces = FileSource(clip), []
    while source.read() is not None:
        pieces += source.read_sound()
    source.close()
    wanted = np.concatenate([piece.samples for piece in pieces])
    skip = round(-min(0.0, pieces[0].from_s or 0.0) * R)
    wanted = wanted[skip : skip + round((seconds - 1) * R)]
    fade = R // 200
    probe = wanted[fade : fade + R].astype(float)[:, 0]
    # a picture's time and a sound's are rounded differently: find the sample at which they agree
    shifts = range(-R // 10, R // 10)
    best = min(
        shifts,
        key=lambda s: float(
            np.abs(
                line[fade + R // 10 + s :][: len(probe) // 20, 0]
                - wanted[fade + R // 10 :][: len(probe) // 20, 0].astype(float)
            ).sum()
        ),
    )
    n = min(len(line) - best, len(wanted)) - fade - R // 10
    a, b = fade + R // 10 + best, fade + R // 10
    difference = np.abs(line[a : a + n].astype(int) - wanted[b : b + n].astype(int))
    return {
        "worst_difference": int(difference.max()),
        "compared_s": round(n / R, 2),
        "shift_samples": int(best),
        "jumps": session.log.header["programme_jumps"],
        "stretched_s": session.log.header["programme_stretched_s"],
    }


def measure_mix(folder: Path, seconds: float) -> dict:
    """Return how the drawn match sounds with the embedded voice: a replay in virtual time, its tracks as WAV."""
    from commentator_lib.files import package_data

    run_folder = folder / "mix-run"
    clip = str(package_data("clips") / "match.mp4")
    LiveSession(clip, mode="replay", duration_s=min(60.0, seconds), run_dir=run_folder).run()
    run, tracks = load_run(run_folder), {}
    for name in ("mix", "programme", "voice"):
        write_wav(run, folder / f"{name}.wav", name)
        with wave.open(str(folder / f"{name}.wav")) as file:
            samples = np.frombuffer(file.readframes(file.getnframes()), np.int16)
            tracks[name] = to_float32(samples.reshape(-1, file.getnchannels()))
    n = min(map(len, tracks.values()))
    mix, programme, voice = tracks["mix"][:n], tracks["programme"][:n], tracks["voice"][:n, 0]
    # the programme's gain in the mix, in windows of 50 ms: the part of mix − voice that is like the programme
    window = R // 20
    cut = n // window * window
    rest, given = ((x[:cut, 0]).reshape(-1, window) for x in (mix - voice[:, None], programme))
    gain_db = 20 * np.log10(np.maximum((rest * given).sum(1) / np.maximum((given**2).sum(1), 1e-9), 1e-3))
    heard = (voice[:cut].reshape(-1, window) ** 2).mean(axis=1) > 1e-6
    spoken = np.convolve(heard, np.ones(5), "same") == 5  # inside a comment
    apart = np.convolve(heard, np.ones(25), "same") == 0  # at least 0.6 s from one
    of_voice, of_mix, of_programme = (measure(samples, R) for samples in (voice, mix, programme))
    quiet_s = _longest_silence_s(mix[:, 0])
    return {
        "under_voice_db": round(float(np.median(gain_db[spoken])), 2),
        "without_voice_db": round(float(np.median(gain_db[apart])), 2),
        "voice_lufs": round(of_voice.integrated_lufs, 2),
        "programme_lufs": round(of_programme.integrated_lufs, 2),
        "mix_lufs": round(of_mix.integrated_lufs, 2),
        "mix_true_peak_dbtp": round(of_mix.true_peak_dbtp, 2),
        "longest_silence_s": round(quiet_s, 3),
    }


def _longest_silence_s(samples: np.ndarray) -> float:
    """Return the longest stretch of samples (N,) below −60 dBFS, in windows of 10 ms."""
    window = R // 100
    level = np.sqrt((samples[: len(samples) // window * window].reshape(-1, window) ** 2).mean(axis=1))
    edges = np.flatnonzero(np.r_[True, level > 1e-3, True])
    return float((np.diff(edges) - 1).max() / 100)


def _core_share(clip: Path, seconds: float) -> float:
    """Return the processor time of a live run with a silent commentator, as a share of one core."""
    session = LiveSession(
        str(clip),
        Settings(commentator="scripted", watchers=()),
        commentator=ScriptedCommentator(["..."], CostModel(0.0, 0, 0, 0, 0)),
        duration_s=seconds,
    )
    return core_share_of(session, seconds)


def measure_cost(folder: Path, seconds: float) -> dict:
    """Return processor time with and without sound at 640×360, and how memory grows in virtual time."""
    import av

    with_sound, without = folder / "with.mp4", folder / "without.mp4"
    make_flashing_clip(with_sound, seconds)
    with av.open(str(with_sound)) as given, av.open(str(without), "w") as out:
        stream = out.add_stream_from_template(given.streams.video[0])
        for packet in given.demux(given.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                out.mux(packet)
    shares = {"without": _core_share(without, seconds), "with": _core_share(with_sound, seconds)}
    marks = MemoryMarks()
    LiveSession(
        SyntheticSource(610.0, 25.0, sound=True),
        Settings(commentator="scripted", change_threshold=0.0, watchers=()),
        commentator=ScriptedCommentator(cost=CostModel(1.0, 0.15, 5.0, 1.0, 0.5)),
        mode="what-if",
        on_drawn=marks.drawn,
    ).run()
    return {
        "core_share_without": round(shares["without"], 4),
        "core_share_with": round(shares["with"], 4),
        "more": round(shares["with"] - shares["without"], 4),
        "rss_growth_mb_2_to_10_min": round(marks.growth_mb(), 2),
    }
