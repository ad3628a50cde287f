"""Make pictures with known transitions, for `bench_watchers`: cuts, dissolves, wipes, freezes, black, replays.

A montage strings shots together. Each shot is a function from seconds to a picture; a border joins two shots. Within
shots happen things that are no transitions: a flash, a graphic that slides in, a whip pan, an explosion, a zoom.
All is drawn from one seed, at 320×180.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import cv2
import numpy as np

WIDTH_PX, HEIGHT_PX = 320, 180
Picture = Callable[[float], np.ndarray]  # seconds → (180, 320, 3) uint8, RGB
BORDERS = (
    "cut",
    "cut",
    "cut",
    "dissolve",
    "dissolve",
    "wipe",
    "wipe",
    "black",
    "freeze",
    "freeze",
    "replay",
    "replay",
    "same place",
)
DISTURBED_S = {"flash": 0.12, "graphic": 2.6, "explosion": 1.5, "whip pan": 0.5, "fast zoom": 0.7}
DISTURBANCES = ("flash", "graphic", "whip pan", "explosion", "fast zoom", "none", "none")


@dataclass(frozen=True, slots=True)
class Known:
    """What a watcher should report: its kind, and the stretch (s) in which its start may be found."""

    kind: str
    from_s: float
    to_s: float


@dataclass
class Montage:
    """A made film: pieces (from_s, picture by the film's own time), and what is known of it."""

    length_s: float = 0.0
    pieces: list[tuple[float, Picture]] = field(default_factory=list)
    truth: list[Known] = field(default_factory=list)
    disturbed: list[Known] = field(default_factory=list)

    def add(self, length_s: float, picture: Picture) -> None:
        self.pieces.append((self.length_s, picture))
        self.length_s += length_s

    def frame(self, t_s: float, rng: np.random.Generator) -> np.ndarray:
        """Return the picture at `t_s` (180, 320, 3) with a little sensor noise."""
        picture = next(p for from_s, p in reversed(self.pieces) if from_s <= t_s)
        noise = rng.normal(0, 0.8, (HEIGHT_PX, WIDTH_PX, 1))
        return np.clip(picture(t_s) + noise, 0, 255).astype(np.uint8)


def view(texture: np.ndarray, x: float, y: float, scale: float = 1.5) -> np.ndarray:
    """Return the view (180, 320, 3) of a texture (1440, 2560, 3) with its middle at (x, y) px."""
    size = (round(WIDTH_PX * scale), round(HEIGHT_PX * scale))
    part = cv2.getRectSubPix(texture, size, (x, y))
    return cv2.resize(part, (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_AREA)


def people(image: np.ndarray, rng_seed: int, t_s: float, count: int = 3) -> np.ndarray:
    """Return the image with `count` figures that walk to and fro, each its own way."""
    image, rng = image.copy(), np.random.default_rng(rng_seed)
    for _ in range(count):
        x0, y0, speed, phase = (
            rng.uniform(40, 280),
            rng.uniform(40, 110),
            rng.uniform(0.4, 1.2),
            rng.uniform(0, 6),
        )
        colour = tuple(int(c) for c in rng.integers(20, 235, 3))
        x = int(x0 + 45 * np.sin(speed * t_s + phase) + 12 * np.sin(2.7 * speed * t_s))
        y = int(y0 + 10 * np.sin(1.7 * speed * t_s + phase))
        cv2.rectangle(image, (x - 9, y), (x + 9, y + 44), colour, -1)
        cv2.circle(image, (x, y - 7), 7, (220, 180, 150), -1)
    return image


def moving_shot(
    rng: np.random.Generator, textures: list[np.ndarray], clips: list[list[np.ndarray]]
) -> Picture:
    """Return a shot that moves: a clip (25 frames a second), or a camera over a texture with people.

    A clip is taken out of `clips`: shown twice, it would be a replay.
    """
    if clips and rng.random() < 0.5:
        frames = clips.pop(int(rng.integers(len(clips))))
        first, last = int(rng.integers(0, 1000)), len(frames) - 1

        def play(t: float) -> np.ndarray:  # to and fro, so that it never ends
            k = (first + int(t * 25)) % (2 * last)
            return frames[k if k <= last else 2 * last - k]

        return play
    texture = textures[int(rng.integers(len(textures)))]
    x0, y0 = rng.uniform(700, 1800), rng.uniform(350, 1050)
    seed = int(rng.integers(1 << 30))
    move = rng.choice(["still", "pan", "zoom", "hand-held"])
    speed = rng.uniform(-60, 60)
    shake = rng.normal(0, 2.5, (4, 2))

    def show(t: float) -> np.ndarray:
        x, y, scale = x0, y0, 1.5
        if move == "pan":
            x, y = x0 + speed * t, y0 + 0.2 * speed * t
        elif move == "zoom":
            scale = 1.5 * float(np.exp(0.02 * np.sign(speed) * t))
        elif move == "hand-held":
            x, y = np.array([x0, y0]) + sum(s * np.sin((k + 1.3) * t * 1.7) for k, s in enumerate(shake))
        return people(view(texture, x, y, scale), seed, t)

    return show


def still_shot(rng: np.random.Generator, textures: list[np.ndarray]) -> Picture:
    """Return a shot that stands still."""
    texture = textures[int(rng.integers(len(textures)))]
    image = view(texture, rng.uniform(700, 1800), rng.uniform(350, 1050))
    return lambda t: image


def disturb(
    kind: str, shot: Picture, rng: np.random.Generator, texture: np.ndarray
) -> Callable[[float], Picture]:
    """Return a function from `at_s` to the shot in which something happens then that is no transition."""
    where, strong, top = rng.uniform(0, 1), rng.uniform(90, 220), int(rng.integers(20, 130))
    x0, y0, speed = rng.uniform(700, 1100), rng.uniform(400, 1000), rng.uniform(600, 1500)
    x, y, colour = rng.uniform(60, 260), rng.uniform(40, 140), rng.integers(0, 255, 3)
    glow = np.exp(-(((np.linspace(0, 1, WIDTH_PX) - where) / 0.6) ** 2))[None, :, None]  # (1, 320, 1)
    away = np.hypot(*np.meshgrid(np.arange(WIDTH_PX) - x, np.arange(HEIGHT_PX) - y))[..., None]

    def flash(age: float, t: float) -> np.ndarray:
        return np.clip(shot(t) + strong * glow * (0 <= age < 0.12), 0, 255)

    def graphic(age: float, t: float) -> np.ndarray:
        image = shot(t).copy()
        share = float(np.clip(min(age / 0.4, (2.6 - age) / 0.4), 0, 1))
        image[top : top + 36, 20 : 20 + int(220 * share)] = colour
        return image

    def explosion(age: float, t: float) -> np.ndarray:
        if not 0 < age < 1.5:
            return shot(t)
        light = np.clip(1.3 - away / (260 * min(1.0, age / 0.35)), 0, 1) * np.exp(-age / 0.5)
        return np.clip(shot(t) * (1 - light) + light * np.array([255, 200, 110.0]), 0, 255)

    def whip_pan(age: float, t: float) -> np.ndarray:
        moved = float(np.clip(age, 0, 0.5))
        if not 0 < moved < 0.5:
            return view(texture, x0 + speed * moved, y0)
        blurred = [view(texture, x0 + speed * (moved + k * 0.004), y0).astype(np.float32) for k in range(5)]
        return np.mean(blurred, axis=0)

    def fast_zoom(age: float, t: float) -> np.ndarray:
        return view(texture, x0 + 300, y0, 2.4 * float(np.exp(-1.4 * np.clip(age, 0, 0.7))))

    ways = {
        "flash": flash,
        "graphic": graphic,
        "explosion": explosion,
        "whip pan": whip_pan,
        "fast zoom": fast_zoom,
    }
    if kind not in ways:
        return lambda _at_s: shot
    return lambda at_s: lambda t: ways[kind](t - at_s, t)


def wipe_mask(style: str, share: float) -> np.ndarray:
    """Return how much of the new picture is seen (180, 320, 1), from 0 to 1."""
    x, y = np.meshgrid(np.linspace(0, 1, WIDTH_PX), np.linspace(0, 1, HEIGHT_PX))
    way = {
        "left": x, "right": 1 - x, "up": y, "down": 1 - y, "diagonal": (x + y) / 2,
        "circle": np.hypot(x - 0.5, y - 0.5) / 0.71, "doors": np.abs(x - 0.5) * 2, "soft": x,
    }[style]  # fmt: skip
    width = 0.15 if style == "soft" else 0.01
    return np.clip((share * (1 + width) - way) / width, 0, 1)[..., None]


def sheet(image: np.ndarray, share: float, colours: np.ndarray, right: bool) -> np.ndarray:
    """Return the image under a slanted sheet of stripes that crosses it as `share` goes from 0 to 1."""
    x, y = np.meshgrid(np.linspace(0, 1, WIDTH_PX), np.linspace(0, 1, HEIGHT_PX))
    place = (x if right else 1 - x) + 0.2 * y - (-1.6 + 2.9 * share)  # 0 to 1.5 on the sheet
    stripe = np.clip((place * 4).astype(int), 0, len(colours) - 1)
    on = (place > 0) & (place < 1.6)
    return np.where(on[..., None], colours[stripe], image)


def _moves(shot: Picture, from_s: float, to_s: float) -> bool:
    return float(np.abs(shot(from_s).astype(float) - shot(to_s)).mean()) > 0.5


def make_montage(
    seed: int, textures: list[np.ndarray], clips: list[list[np.ndarray]], shots: int = 14
) -> Montage:
    """Return a montage of about a minute, with its truth."""
    rng = np.random.default_rng(seed)
    clips = list(clips)
    film = Montage()

    def new_shot(base: Picture, kind: str) -> tuple[str, Callable[[float], Picture]]:
        return kind, disturb(kind, base, rng, textures[int(rng.integers(len(textures)))])

    kind, make = new_shot(moving_shot(rng, textures, clips), "none")
    earlier: list[tuple[Picture, float, float]] = []  # what moved: (picture, from_s, to_s)
    after = ""
    for _ in range(shots):
        # 1) the shot itself, with something in its middle that is no transition
        length_s, from_s = rng.uniform(2.6, 5.0), film.length_s
        at_s = from_s + length_s * 0.5
        shown = make(at_s)
        if kind != "none":
            film.disturbed.append(Known(kind, at_s, at_s + DISTURBED_S[kind]))
        elif after not in ("replay", "still"):
            earlier.append((shown, from_s, from_s + length_s))
        film.add(length_s, shown)
        # 2) the border to the next shot
        t = film.length_s
        border = str(rng.choice(BORDERS))
        frozen, after = kind == "none" and after != "still", ""
        kind, make = new_shot(moving_shot(rng, textures, clips), str(rng.choice(DISTURBANCES)))
        if border in ("cut", "dissolve", "wipe") and rng.random() < 0.25:
            (kind, make), after = new_shot(still_shot(rng, textures), "none"), "still"
        if border == "freeze" and frozen:
            freeze_s, image = rng.uniform(2.6, 4.0), shown(t)
            if _moves(shown, t - 0.4, t) and _moves(shown, t - 1.2, t - 0.8):
                film.add(freeze_s, lambda _t, image=image: image)
                film.truth.append(Known("freeze", t, t))
                film.add(2.0, lambda u, p=shown, s=freeze_s: p(u - s))
                t = film.length_s
            border = "cut"
        if border == "replay":
            border = "cut"
            old = [e for e in earlier if t - e[2] > 4 and t - e[1] < 45]
            if old:
                again = old[int(rng.integers(len(old)))]
                earlier.remove(again)
                picture, first_s, _ = again
                speed = rng.uniform(0.35, 1.0)
                slow = lambda u, p=picture, a=first_s, v=speed, t0=t: p(a + 0.2 + v * (u - t0))  # noqa: E731
                kind, make = new_shot(slow, "none")
                film.truth.append(Known("replay", t, t + 1.5))
                border, after = "cut", "replay"
        if border == "same place":
            border = "cut"
        new = make(np.inf)
        if border == "dissolve":
            lasts_s = rng.uniform(0.5, 1.5)
            film.add(
                lasts_s,
                lambda u, a=shown, b=new, t0=t, d=lasts_s: a(u) + (b(u) - a(u).astype(float)) * (u - t0) / d,
            )
            film.truth.append(Known("dissolve", t, t + lasts_s))
        elif border == "wipe":
            lasts_s = rng.uniform(0.5, 1.1)
            style = str(
                rng.choice(
                    ["left", "right", "up", "down", "diagonal", "circle", "doors", "soft", "sheet", "sheet"]
                )
            )
            if style == "sheet":
                colours, right = rng.integers(0, 255, (7, 3)), bool(rng.random() < 0.5)
                film.add(lasts_s, lambda u, a=shown, b=new, t0=t, d=lasts_s, c=colours, r=right: sheet(
                    (a if u < t0 + d / 2 else b)(u), (u - t0) / d, c, r))  # fmt: skip
            else:

                def wiped(u, a=shown, b=new, t0=t, d=lasts_s, style=style):
                    mask = wipe_mask(style, (u - t0) / d)
                    return a(u) * (1 - mask) + b(u) * mask

                film.add(lasts_s, wiped)
            film.truth.append(Known("wipe", t, t + lasts_s))
        elif border == "black":
            fade_s, dark_s = (0.0 if rng.random() < 0.5 else rng.uniform(0.3, 0.7)), rng.uniform(0.7, 1.5)
            if fade_s:
                film.add(fade_s, lambda u, a=shown, t0=t, d=fade_s: a(u) * (1 - (u - t0) / d))
            film.truth.append(Known("black", film.length_s, film.length_s + 0.2))
            film.add(dark_s, lambda _t: np.full((HEIGHT_PX, WIDTH_PX, 3), 4.0))
            if fade_s:
                t0 = film.length_s
                film.add(fade_s, lambda u, b=new, t0=t0, d=fade_s: b(u) * ((u - t0) / d))
        else:
            film.truth.append(Known("cut", t, t))
    film.add(2.0, make(np.inf))
    return film


def make_bursts(seed: int, textures: list[np.ndarray]) -> Montage:
    """Return a film of about a minute in which figures burst into motion, and other things happen too.

    The truth holds "motion" only; what must not be taken for it is in `disturbed`.
    """
    rng = np.random.default_rng(seed)
    film = Montage()
    for _ in range(5):
        # 1) a quiet shot of a still or slow camera
        texture, walkers = textures[int(rng.integers(len(textures)))], int(rng.integers(1 << 30))
        x0, y0, move = (
            rng.uniform(900, 1600),
            rng.uniform(450, 950),
            str(rng.choice(["still", "pan", "zoom"])),
        )
        speed, from_s, length_s = rng.uniform(-40, 40), film.length_s, rng.uniform(11, 15)

        def calm(t, texture=texture, walkers=walkers, x0=x0, y0=y0, move=move, speed=speed, from_s=from_s):
            x = x0 + speed * (t - from_s) if move == "pan" else x0
            scale = 1.5 * float(np.exp(0.015 * (t - from_s))) if move == "zoom" else 1.5
            return people(view(texture, x, y0, scale), walkers, 0.25 * t, 2)

        # 2) in it a burst, or something that is none
        at_s = from_s + rng.uniform(5.5, 8.0)
        if rng.random() < 0.65:
            x1, y1, seen = rng.uniform(50, 270), rng.uniform(50, 110), int(rng.integers(60, 255))

            def burst(t, calm=calm, at_s=at_s, x1=x1, y1=y1, seen=seen):
                image, age = calm(t).copy(), t - at_s
                if 0 <= age < 1.4:
                    x, y = int(x1 + 34 * np.sin(9 * age)), int(y1 + 14 * np.cos(11 * age))
                    cv2.rectangle(image, (x - 11, y - 18), (x + 11, y + 26), (seen, 255 - seen, 60), -1)
                    cv2.line(image, (x, y), (x + int(26 * np.sin(17 * age)), y - 24), (240, 220, 40), 5)
                return image

            film.truth.append(Known("motion", at_s, at_s + 0.4))
            film.add(length_s, burst)
        else:
            kind = str(rng.choice(["flash", "whip pan", "fast zoom", "explosion"]))
            film.disturbed.append(Known(kind, at_s, at_s + DISTURBED_S[kind]))
            film.add(length_s, disturb(kind, calm, rng, texture)(at_s))
        # 3) a cut or a wipe to the next
        if rng.random() < 0.5:
            after, t0 = view(textures[int(rng.integers(len(textures)))], 1200, 700), film.length_s
            style, before = str(rng.choice(["left", "up", "circle", "soft"])), film.pieces[-1][1]

            def wiped(u, a=before, b=after, t0=t0, style=style):
                mask = wipe_mask(style, (u - t0) / 0.8)
                return a(u) * (1 - mask) + b * mask

            film.disturbed.append(Known("wipe", t0, t0 + 0.8))
            film.add(0.8, wiped)
            film.add(2.0, lambda _t, b=after: b)
    return film
