"""Measure what the watchers of shots, motion and sound find, what they report falsely, and what they cost.

Why these quantities: a commentator relies on what a watcher reports, so a false report is a false comment, and a cut
that is missed makes two scenes one. Watchers look at every picture of a live run, so they must cost next to nothing.

  recall           share of the known events that were reported, with their start within half a second
  false a minute   reports that no known event explains, by minutes of material
  latency          seconds from an event's start to its report, median and largest
  cost             processor time a look of the shots and the motion watcher together at 640×360, five a second, and
                   the share of a core that the sound watcher takes at 48 kHz in pieces of 40 ms

How: scripted matches with their true cuts and wipes (180p, five looks a second from two starts), the two real clips
with cuts labelled by a person, and made films and sounds from seeds (watcher_clips.py, watcher_sounds.py). All
constants of the watchers were chosen on the set `calibrate`; `report` shares no match, draw or texture with it, and its
films are cut from other clips.

In made films, the return of the picture after black counts neither as a cut nor as a false one.

    python -m experiments.bench_watchers --set report

The last line on stdout is one JSON object.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal, cast

import cv2
import numpy as np
import typer
from tqdm import tqdm

from commentator_lib.events import Event
from commentator_lib.media import AudioChunk, Frame
from commentator_lib.sources.open import demo_clips
from commentator_lib.watching.base import Watcher
from commentator_lib.watching.motion import MotionWatcher
from commentator_lib.watching.shots import ShotsWatcher
from commentator_lib.watching.sound import SoundWatcher
from experiments.benchmarks.bench_scene import textures
from experiments.benchmarks.watcher_clips import Known, Montage, make_bursts, make_montage
from experiments.benchmarks.watcher_sounds import make_sound
from experiments.errors import UserError
from experiments.match_clip.course import write_script
from experiments.match_clip.match import match_clip
from experiments.tools.command_line import help_text, new_app, run_app

LOOKS_HZ = 5.0
MATCH_S, MATCH_HEIGHT_PX = 50, 180
# Set → seeds of (the matches, the first film, the first film with bursts of motion, the first sound).
SETS = {"calibrate": ((101, 102, 103), 1000, 3000, 5000), "report": ((201, 202, 203), 8000, 9000, 9500)}
BIKES_CUTS = (30, 76, 137, 187, 242)  # first frame of each shot of the street clip, at 25 frames a second
BEFORE_S, AFTER_S = 0.45, 0.45  # how far a report's start may lie outside the known stretch


@dataclass(frozen=True, slots=True)
class Film:
    """Frames in order with what is known of them; `disturbed` says what else happens."""

    name: str
    frames: list[Frame]
    truth: list[Known]
    disturbed: list[Known] = field(default_factory=list)


@dataclass
class Tally:
    """Counts of one kind of event."""

    known: int = 0
    found: int = 0
    false: int = 0
    latency_s: list[float] = field(default_factory=list)


class Score:
    """Counts of every kind, over minutes of material."""

    def __init__(self) -> None:
        self.kinds: dict[str, Tally] = defaultdict(Tally)
        self.minutes = 0.0

    def add(self, events: list[Event], truth: list[Known], seconds: float) -> list[Event]:
        """Count the events of one film or sound; return the false ones."""
        self.minutes += seconds / 60
        left = [e for e in events if not e.facts.get("ends")]
        for known in truth:
            tally = self.kinds[known.kind]
            tally.known += 1
            near = [e for e in left if e.kind == known.kind and e.at_s >= known.from_s - BEFORE_S]
            near = [e for e in near if e.at_s <= known.to_s + AFTER_S]
            if near:
                left.remove(near[0])
                tally.found += 1
                tally.latency_s.append(near[0].detected_s - known.from_s)
        dark = [k.from_s for k in truth if k.kind == "black"]
        left = [e for e in left if not (e.kind == "cut" and any(0 <= e.at_s - t < 2.2 for t in dark))]
        for event in left:
            self.kinds[event.kind].false += 1
        return left

    def table(self) -> dict[str, dict[str, float | int | None]]:
        """Return recall, false reports a minute and latency of each kind."""
        return {
            kind: {
                "known": t.known,
                "recall": round(t.found / t.known, 3) if t.known else None,
                "false": t.false,
                "false_a_minute": round(t.false / self.minutes, 3),
                "latency_median_s": round(float(np.median(t.latency_s)), 2) if t.latency_s else None,
                "latency_most_s": round(max(t.latency_s), 2) if t.latency_s else None,
            }
            for kind, t in sorted(self.kinds.items())
        }


def read_clip(path: Path | str) -> tuple[list[np.ndarray], float]:
    """Return all frames of a clip at 320×180, RGB, and its rate. Raise UserError where it cannot be read."""
    video, frames = cv2.VideoCapture(str(path)), []
    while True:
        there, image = video.read()
        if not there:
            break
        small = cv2.resize(image, (320, 180), interpolation=cv2.INTER_AREA)
        frames.append(np.ascontiguousarray(small[:, :, ::-1]))
    if not frames:
        raise UserError(f"cannot read {path}")
    return frames, float(video.get(cv2.CAP_PROP_FPS))


def look_every(frames: list[np.ndarray], fps: float, start: int) -> list[Frame]:
    """Return about five frames a second, from frame `start` on."""
    step = round(fps / LOOKS_HZ)
    return [Frame(k, k / fps, k / fps, frames[k]) for k in range(start, len(frames), step)]


def match_film(seed: int) -> tuple[list[np.ndarray], list[Known]]:
    """Return the frames of a scripted match, and its cuts; those with a graphic across the picture are wipes."""
    frames, _ = read_clip(match_clip(MATCH_S, seed, MATCH_HEIGHT_PX)[0])
    script = write_script(MATCH_S, seed)
    wipes_s = [(k + 1) / 25 for k in np.flatnonzero(np.diff((script.wipe > 0).astype(int)) == 1)]
    truth = []
    for event in script.truth.of_kind("cut"):
        wipe = [t for t in wipes_s if abs(t - event.t_s) < 0.5]
        truth.append(Known("wipe", wipe[0], wipe[0] + 0.5) if wipe else Known("cut", event.t_s, event.t_s))
    return frames, truth


def sample(name: str, film: Montage, seed: int) -> Film:
    """Return five looks a second at a made film."""
    rng = np.random.default_rng(seed)
    times_s = np.arange(rng.uniform(0, 1 / LOOKS_HZ), film.length_s, 1 / LOOKS_HZ)
    frames = [Frame(i, float(t), float(t), film.frame(float(t), rng)) for i, t in enumerate(times_s)]
    return Film(name, frames, film.truth, film.disturbed)


def real_films() -> tuple[list[Film], list[list[np.ndarray]]]:
    """Return the two real clips as films, and their shots."""
    films, shots = [], []
    for path in demo_clips():
        frames, fps = read_clip(path)
        first = (0, *BIKES_CUTS) if "bikes" in path else (0,)
        truth = [Known("cut", k / 25, k / 25) for k in first[1:]]
        films += [
            Film(f"{Path(path).stem} from {start}", look_every(frames, fps, start), truth) for start in (0, 2)
        ]
        shots += [frames[a:b] for a, b in zip(first, (*first[1:], len(frames)), strict=True) if b - a > 20]
    return films, shots


def held_shots(matches: list[tuple[list[np.ndarray], list[Known]]]) -> list[list[np.ndarray]]:
    """Return shots for the films of the set `report`: of a person in a car, and of its matches."""
    street = next((p for p in demo_clips() if "bikes" in p), None)
    car = Path(street).with_name("carphone_pristine.mp4") if street else None
    shots = [read_clip(car)[0]] if car is not None and car.exists() else []
    for frames, truth in matches:
        edges = [0, *(round(k.from_s * 25) for k in truth), len(frames)]
        shots += [frames[a + 15 : b - 2] for a, b in zip(edges, edges[1:], strict=False) if b - a > 70][:2]
    return shots


def films_of(which: str, count: int) -> Iterator[Film]:
    """Yield the films with transitions: matches, real clips, and `count` made ones."""
    matches_seeds, first, _, _ = SETS[which]
    matches = [match_film(seed) for seed in matches_seeds]
    for seed, (frames, truth) in zip(matches_seeds, matches, strict=True):
        yield from (Film(f"match {seed} from {s}", look_every(frames, 25, s), truth) for s in (0, 2))
    if which == "calibrate":
        films, shots = real_films()
        yield from films
    else:
        shots = held_shots(matches)
    pictures = textures(which)
    for seed in range(first, first + count):
        yield sample(f"film {seed}", make_montage(seed, pictures, shots), seed)


def watch(watcher: Watcher, film: Film) -> list[Event]:
    """Return all events of a film."""
    return [event for frame in film.frames for event in watcher.look(frame)]


def listen(seed: int) -> tuple[list[Event], list[Known], float, list[Known]]:
    """Return the events of a made sound in pieces of mixed length, its truth, its seconds, and what else is in it."""
    made, rng, watcher = make_sound(seed), np.random.default_rng(seed), SoundWatcher()
    samples = made.samples if seed % 2 else (made.samples * 32767).astype(np.int16)
    events, k = [], 0
    while k < len(samples):
        count = max(1, int(rng.choice([0.02, 0.04, 0.1, 0.5]) * made.rate_hz))
        from_s = k / made.rate_hz if rng.random() < 0.5 else None
        events += watcher.listen(AudioChunk(samples[k : k + count], made.rate_hz, from_s))
        k += count
    return events, made.truth, len(samples) / made.rate_hz, made.others


def look_cost_ms(repeats: int = 4) -> dict[str, float]:
    """Return processor milliseconds a look at 640×360 of the shots watcher, the motion watcher, and both together."""
    frames, fps = read_clip(demo_clips()[-1])
    film = [
        cv2.resize(f.image, (640, 360), interpolation=cv2.INTER_CUBIC) for f in look_every(frames, fps, 0)
    ]
    spent: dict[str, list[float]] = {}
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    for name, kinds in (
        ("shots", [ShotsWatcher]),
        ("motion", [MotionWatcher]),
        ("both", [ShotsWatcher, MotionWatcher]),
    ):
        watchers = [kind() for kind in kinds]
        spent[name] = []
        for k in range(repeats * len(film)):
            frame = Frame(k, k / LOOKS_HZ, k / LOOKS_HZ, film[k % len(film)].copy())
            started = time.process_time()
            for watcher in watchers:
                watcher.look(frame)
            spent[name].append(1000 * (time.process_time() - started))
    cv2.setNumThreads(threads)
    result = {f"{name}_ms": round(float(np.mean(v[5:])), 2) for name, v in spent.items()}
    result["both_most_ms"] = round(float(np.quantile(spent["both"][5:], 0.95)), 2)
    result["both_share_of_core"] = round(result["both_ms"] * LOOKS_HZ / 1000, 4)
    return result


def sound_cost(seconds: float = 60.0) -> float:
    """Return the share of a core that the sound watcher takes at 48 kHz."""
    made = make_sound(5002)
    assert made.rate_hz == 48_000
    samples, watcher = made.samples[: round(seconds * made.rate_hz)], SoundWatcher()
    piece = round(0.04 * made.rate_hz)
    started = time.process_time()
    for k in range(0, len(samples), piece):
        watcher.listen(AudioChunk(samples[k : k + piece], made.rate_hz, k / made.rate_hz))
    return (time.process_time() - started) / seconds


def explain(name: str, events: list[Event], around: list[Known]) -> None:
    """Print false events, and what really happened at that time."""
    for event in events:
        near = ", ".join(
            f"{k.kind} {k.from_s:.1f}" for k in around if k.from_s - 1.5 < event.at_s < k.to_s + 1.5
        )
        print(f"  false {event.kind} in {name} at {event.at_s:.2f} s ({near or 'nothing known'})")


app = new_app()


@app.command(help=help_text(__doc__))
def main(
    which: Annotated[
        Literal["report", "calibrate"], typer.Option("--set", help="Material and draws.")
    ] = "report",
    count: Annotated[int, typer.Option(help="Made films and sounds of each sort.")] = 14,
    details: Annotated[bool, typer.Option("--details", help="Print every false report.")] = False,
) -> None:
    if count < 1:
        raise UserError("give one film or more")
    scores = {"shots": Score(), "motion": Score(), "sound": Score()}
    ends = [0, 0]
    # 1) the shots; of the same films, what the motion watcher reports at their transitions
    at_borders = 0
    for film in tqdm(films_of(which, count), desc="films", disable=None):
        events = watch(ShotsWatcher(), film)
        seconds = film.frames[-1].pts_s - film.frames[0].pts_s
        false = scores["shots"].add(events, film.truth, seconds)
        if details:
            explain(film.name, false, film.truth + film.disturbed)
        wipes = [k for k in film.truth if k.kind == "wipe"]
        for event in (e for e in events if e.facts.get("ends")):
            ends[0] += 1
            ends[1] += not any(abs(event.at_s - k.from_s) < 0.7 for k in wipes)
        borders = [k for k in film.truth if k.kind in ("cut", "dissolve", "wipe", "black")]
        for event in watch(MotionWatcher(), film):
            at_borders += any(k.from_s - 0.3 < event.at_s < k.to_s + 0.3 for k in borders)
    # 2) the bursts of motion
    pictures = textures(which)
    first = SETS[which][2]
    for seed in tqdm(range(first, first + count), desc="bursts", disable=None):
        film = sample(f"bursts {seed}", make_bursts(seed, pictures), seed)
        false = scores["motion"].add(watch(MotionWatcher(), film), film.truth, film.frames[-1].pts_s)
        if details:
            explain(film.name, false, film.truth + film.disturbed)
    # 3) the sound
    first = SETS[which][3]
    for seed in tqdm(range(first, first + count), desc="sounds", disable=None):
        events, truth, seconds, others = listen(seed)
        false = scores["sound"].add(events, truth, seconds)
        if details:
            explain(f"sound {seed}", false, truth + others)
    # 4) print the rates and the costs
    result: dict[str, object] = {"set": which}
    print(f"{'':8}{'kind':10}{'known':>7}{'recall':>9}{'false/min':>11}{'latency s (most)':>20}")
    for name, score in scores.items():
        result[name] = {"minutes": round(score.minutes, 1), **score.table()}
        for kind, row in score.table().items():
            recall = "–" if row["recall"] is None else f"{row['recall']:.3f}"
            late = (
                "–"
                if row["latency_most_s"] is None
                else f"{row['latency_median_s']:.2f} ({row['latency_most_s']:.2f})"
            )
            print(f"{name:8}{kind:10}{row['known']:>7}{recall:>9}{row['false_a_minute']:>11.3f}{late:>20}")
    cast(dict, result["shots"])["replay_ends"] = {"reported": ends[0], "false": ends[1]}
    cast(dict, result["motion"])["at_transitions_of_films"] = at_borders
    cost: dict[str, float] = {**look_cost_ms(), "sound_share_of_core": round(sound_cost(), 4)}
    result["cost"] = cost
    print(
        f"\nshots and motion: {cost['both_ms']:.1f} ms a look at 640×360; "
        f"sound: {cost['sound_share_of_core']:.2%} of a core"
    )
    print(json.dumps(result))


if __name__ == "__main__":
    run_app(app, "bench_watchers")
