"""The watcher of shots: cuts, dissolves, wipes, freezes, black, replays, and what is none of them."""

import itertools

import cv2
import numpy as np
import pytest

from commentator_lib.media import Frame
from commentator_lib.watching.looks import look_at
from commentator_lib.watching.replays import align, is_replay
from commentator_lib.watching.shots import ShotsWatcher
from commentator_lib.watching.standing import is_black
from commentator_lib.watching.transitions import Mixture, is_dissolve, other_shot, shared_colours

SIZE = (320, 180)  # width, height


def scene(seed, size=(900, 420)):
    """A large picture of coloured blobs and edges."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(30, 225, (7, 13, 3)).astype(np.uint8)
    image = cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC)
    for _ in range(60):
        x, y = int(rng.integers(0, size[0])), int(rng.integers(0, size[1]))
        colour = tuple(int(c) for c in rng.integers(0, 255, 3))
        cv2.rectangle(image, (x, y), (x + int(rng.integers(8, 50)), y + int(rng.integers(8, 50))), colour, -1)
    return image


SCENES = [scene(seed) for seed in range(4)]


def view(which, t, speed=20.0, x0=60.0):
    """A camera that pans over a scene, in which a ball moves."""
    x = x0 + speed * t
    image = cv2.getRectSubPix(SCENES[which], SIZE, (x + 160, 200)).copy()
    cv2.circle(image, (int(160 + 90 * np.sin(2 * t)), int(90 + 40 * np.cos(3 * t))), 16, (250, 240, 60), -1)
    return image


def watch(picture, seconds, hz=5.0, watcher=None, start_s=0.0, size=None):
    """The events of a film: `picture` is a function from seconds to an image."""
    watcher = watcher or ShotsWatcher()
    events = []
    for k in range(round(seconds * hz)):
        t = k / hz
        image = np.clip(picture(t), 0, 255).astype(np.uint8)
        if size is not None:
            image = cv2.resize(image, size)
        events += watcher.look(Frame(k, start_s + t, 0.0, image))
    return events


def kinds(events):
    return [e.kind for e in events]


def cut_at(t, a=0, b=1, at_s=3.0):
    return view(a, t) if t < at_s else view(b, t)


@pytest.mark.parametrize("hz", [4.0, 5.0, 10.0, 25.0])
def test_a_cut_is_reported_once_at_its_first_frame(hz):
    events = watch(cut_at, 6.0, hz)
    assert kinds(events) == ["cut"]
    assert 3.0 <= events[0].at_s < 3.26 and 0 < events[0].detected_s - events[0].at_s < 0.6
    assert events[0].importance == 0


@pytest.mark.parametrize("size", [(180, 320), (398, 224), (3840, 2160), (96, 54)])
def test_cuts_in_any_size(size):
    assert kinds(watch(cut_at, 4.6, size=size)) == ["cut"]


def test_cuts_in_grey_pictures():
    def grey(t):
        return cv2.cvtColor(cut_at(t), cv2.COLOR_RGB2GRAY)

    assert kinds(watch(grey, 5.0)) == ["cut"]
    assert kinds(watch(lambda t: np.repeat(grey(t)[..., None], 3, axis=2), 5.0)) == ["cut"]


def test_the_second_cut_knows_the_length_of_its_shot():
    events = watch(lambda t: view(min(2, int(t / 3.0)), t), 8.0)
    assert kinds(events) == ["cut", "cut"]
    assert "length_s" not in events[0].facts
    assert events[1].facts["length_s"] == pytest.approx(3.0, abs=0.25)


def test_seconds_since_the_cut_are_on_the_screen():
    watcher = ShotsWatcher()
    assert watcher.on_screen() == {}
    watch(cut_at, 5.0, watcher=watcher)
    assert watcher.on_screen()["shot_s"] == pytest.approx(1.8, abs=0.05)
    assert "replay" not in watcher.on_screen()


@pytest.mark.parametrize("length_s", [0.6, 1.0, 1.6])
def test_a_dissolve(length_s):
    def film(t):
        share = np.clip((t - 3.0) / length_s, 0, 1)
        return view(0, t, 5.0) * (1 - share) + view(1, t, 5.0) * share

    events = watch(film, 7.0)
    assert kinds(events) == ["dissolve"]
    assert events[0].at_s == pytest.approx(3.0, abs=0.45)


@pytest.mark.parametrize("way", ["left", "down", "sheet"])
def test_a_wipe(way):
    x, y = np.meshgrid(np.linspace(0, 1, SIZE[0]), np.linspace(0, 1, SIZE[1]))

    def film(t):
        share = (t - 3.05) / 0.8
        if share <= 0 or share >= 1:
            return view(0 if share <= 0 else 1, t, 8.0)
        if way == "sheet":
            place = x + 0.2 * y - (-1.6 + 2.9 * share)
            sheet = np.where((place * 5).astype(int)[..., None] % 2, (200, 20, 40), (250, 250, 250))
            return np.where(
                ((place > 0) & (place < 1.6))[..., None], sheet, view(0 if share < 0.5 else 1, t, 8.0)
            )
        new = (x < share) if way == "left" else (y > 1 - share)
        return np.where(new[..., None], view(1, t, 8.0), view(0, t, 8.0))

    events = watch(film, 7.0)
    assert kinds(events) == ["wipe"]
    assert events[0].at_s == pytest.approx(3.05, abs=0.45)


def test_the_second_of_two_equal_wipes_ends_a_replay():
    x = np.linspace(0, 1, SIZE[0])[None, :, None]

    def film(t):
        which = 0 if t < 4 or t >= 10 else 1
        for middle_s in (4.0, 10.0):
            place = x - (-1.6 + 2.9 * ((t - middle_s) / 0.8 + 0.5))
            if abs(t - middle_s) < 0.4:
                return np.where((place > 0) & (place < 1.6), np.uint8((30, 60, 220)), view(which, t, 8.0))
        return view(which, t, 8.0)

    events = watch(film, 14.0)
    assert kinds(events) == ["wipe", "wipe", "replay"]
    assert events[2].facts == {"ends": True} and events[2].at_s == pytest.approx(9.6, abs=0.45)


def test_black_is_reported_once():
    events = watch(lambda t: 0 * view(0, t) + 4 if 3 <= t < 4.2 else view(int(t > 4), t), 8.0)
    assert kinds(events) == ["black"]
    assert events[0].at_s == pytest.approx(3.0, abs=0.01)


def test_a_freeze_is_reported_once_after_two_seconds():
    rng = np.random.default_rng(1)

    def film(t):
        frozen = 4.0 <= t < 9.0
        return view(0, 4.0 if frozen else t - 5.0 * (t >= 9.0)) + rng.normal(0, 0.6, (SIZE[1], SIZE[0], 1))

    events = watch(film, 12.0)
    assert kinds(events) == ["freeze"]
    assert events[0].at_s == pytest.approx(4.0, abs=0.25) and events[0].importance == 1
    assert events[0].detected_s == pytest.approx(6.0, abs=0.45)


def test_a_slide_show_does_not_freeze():
    assert set(kinds(watch(lambda t: view(int(t / 5) % 4, 0.0), 20.0))) == {"cut"}
    assert watch(lambda t: view(0, 0.0), 10.0) == []


@pytest.mark.parametrize("speed", [1.0, 0.5])
def test_a_replay_tells_when_it_was_seen(speed):
    def film(t):
        if t < 6:
            return view(0, t)
        if t < 10:
            return view(1, t)
        if t < 14:
            return view(0, 2.0 + speed * (t - 10))
        return view(2, t)

    watcher = ShotsWatcher()
    events = watch(film, 13.0, watcher=watcher)
    replays = [e for e in events if e.kind == "replay"]
    assert len(replays) == 1 and replays[0].importance == 1
    assert replays[0].facts["seen_s"] == pytest.approx(2.0, abs=0.5)
    assert watcher.on_screen()["replay"] is True
    watch(film, 17.0, watcher=(whole := ShotsWatcher()))
    assert "replay" not in whole.on_screen()


def test_a_camera_that_comes_back_shows_no_replay():
    def film(t):
        if 5 <= t < 8:
            return view(1, t)
        image = view(0, 0.0)
        cv2.circle(image, (int(40 + 35 * t) % 320, int(120 + 30 * np.sin(5 * t))), 18, (20, 220, 240), -1)
        return image

    assert "replay" not in kinds(watch(film, 14.0))


def flash(t):
    return view(0, t) + (150 if 3.0 <= t < 3.15 else 0)


def graphic(t):
    image = view(0, t).copy()
    image[130:165, 20 : 20 + int(240 * np.clip((t - 3) / 0.4, 0, 1))] = (20, 40, 160)
    return image


def fast_pan(t):
    return view(0, 0.0, x0=40 + 450 * float(np.clip(t - 3, 0, 0.9)))


def zoom(t):
    size = round(420 * np.exp(-1.2 * np.clip(t - 3, 0, 0.7)))
    middle = cv2.getRectSubPix(SCENES[0], (size, size * 9 // 16), (400, 200))
    return cv2.resize(middle, SIZE)


def explosion(t):
    light = max(0.0, min(1.0, (t - 3) / 0.2)) * np.exp(-max(0.0, t - 3.2) / 0.4)
    return view(0, t) * (1 - 0.9 * light) + 0.9 * light * np.array([255, 210, 120])


def busy_crowd(t):
    rng = np.random.default_rng(int(t * 5))
    cells = rng.integers(-18, 18, (18, 32, 3)).astype(np.float32)
    return view(0, 0.0) + cv2.resize(cells, SIZE, interpolation=cv2.INTER_NEAREST)


@pytest.mark.parametrize("film", [flash, graphic, fast_pan, zoom, explosion, busy_crowd])
def test_no_border(film):
    assert [k for k in kinds(watch(film, 7.0)) if k != "freeze"] == []


def test_a_source_that_jumps_back_starts_again():
    watcher = ShotsWatcher()
    watch(cut_at, 5.0, watcher=watcher, start_s=100.0)
    events = watch(cut_at, 5.0, watcher=watcher)
    assert kinds(events) == ["cut"] and "length_s" not in events[0].facts


def test_the_same_frames_give_the_same_events():
    assert watch(cut_at, 5.0) == watch(cut_at, 5.0)


def test_pictures_without_structure_do_no_harm():
    plain = [np.full((90, 160, 3), c, np.uint8) for c in ((200, 30, 30), (20, 40, 200))]
    assert set(kinds(watch(lambda t: plain[int(t / 3) % 2], 8.0))) <= {"cut"}
    assert watch(lambda t: np.zeros((2, 2, 3)), 1.0)[0].kind == "black"


# The functions that decide.


def look_of(image):
    return look_at(Frame(0, 0.0, 0.0, np.clip(image, 0, 255).astype(np.uint8)))


def test_a_pan_stays_in_the_same_shot_and_a_cut_does_not():
    assert not other_shot(look_of(view(0, 0.0)), look_of(view(0, 2.0)))
    assert other_shot(look_of(view(0, 0.0)), look_of(view(1, 0.0)))
    assert shared_colours(look_of(view(0, 0.0)), look_of(view(0, 0.0))) == pytest.approx(1.0, abs=1e-5)


def test_a_logo_on_black_is_still_black():
    image = np.full((180, 320, 3), 5, np.uint8)
    image[6:12, 300:310] = 200
    assert is_black(look_of(image))
    image[60:120, 100:200] = 90
    assert not is_black(look_of(image))


@pytest.mark.parametrize(
    ("shares", "left", "dissolves"),
    [
        ((0.25, 0.5, 0.75), (0.02, 0.03, 0.02), True),
        ((0.25, 0.5, 0.75), (0.19, 0.25, 0.19), False),  # an edge that moves
        ((0.02, 0.95), (0.01, 0.01), False),  # a cut
        ((0.5, 0.3), (0.01, 0.01), False),  # to and fro
        ((), (), False),
    ],
)
def test_what_is_a_dissolve(shares, left, dissolves):
    assert is_dissolve(Mixture(np.array(shares), np.array(left))) is dissolves


def test_slow_motion_is_aligned_with_what_it_shows():
    rng = np.random.default_rng(0)
    walk = np.cumsum(rng.normal(0, 6, (40, 50)), axis=0)
    times_s = np.arange(40) / 5
    slow_s = np.arange(10) / 5
    rows = [np.interp(2.0 + 0.5 * slow_s, times_s, column) for column in walk.T]
    found = align(walk, times_s, np.array(rows).T, slow_s)
    assert found is not None and is_replay(found)
    assert found.seen_s == pytest.approx(2.0, abs=0.3)
    other = align(walk, times_s, np.array(rows).T[::-1] + rng.normal(0, 9, (10, 50)), slow_s)
    assert other is None or not is_replay(other)


@pytest.mark.slow
def test_the_cuts_of_a_scripted_match():
    from experiments.benchmarks.bench_watchers import Film, Score, look_every, match_film
    from experiments.benchmarks.bench_watchers import watch as watch_film

    frames, truth = match_film(101)
    score = Score()
    for start in (0, 3):
        film = Film("match", look_every(frames, 25, start), truth)
        score.add(watch_film(ShotsWatcher(), film), truth, 50.0)
    cuts, wipes = score.kinds["cut"], score.kinds["wipe"]
    assert cuts.found >= cuts.known - 1 and wipes.found >= wipes.known - 1
    assert sum(t.false for t in itertools.chain(score.kinds.values())) <= 1
