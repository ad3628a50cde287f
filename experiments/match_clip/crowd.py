"""Draw a close view of supporters: rows of people with scarves and raised arms, and photographers' flashes."""

from __future__ import annotations

import math

import cv2
import numpy as np

from experiments.match_clip.camera import ONE_PX, SHIFT
from experiments.match_clip.world import FPS, Colour, mix


def draw_crowd(image, index: int, seed: int, excited: bool, shirt_colour: Colour) -> None:
    """Draw supporters close by over the whole image (H, W, 3), as of frame `index`.

    `seed` fixes who is there. If `excited`, they jump, raise their arms, and flashes light up.
    """
    # 1) colours
    height, width = image.shape[:2]
    rng = np.random.default_rng([5, seed])
    image[:] = (34, 36, 46)
    time_s = index / FPS
    rows, unit = 8, height / 4.6  # pixels per metre in the front row
    colours = (
        shirt_colour,
        shirt_colour,
        mix(shirt_colour, (255, 255, 255), 0.3),
        mix(shirt_colour, (0, 0, 0), 0.4),
    )
    plain = ((40, 42, 52), (96, 96, 104), (206, 202, 196), (120, 60, 50), (60, 80, 120))
    skins = ((226, 180, 150), (196, 146, 112), (140, 98, 72), (238, 196, 168))
    hairs = ((36, 26, 20), (70, 48, 30), (150, 110, 60), (20, 18, 18))
    # 2) rows of people, from the back to the front
    for row in range(rows):
        scale = unit * (0.55 + 0.45 * row / (rows - 1))
        base = height * (0.03 + 1.0 * (row / (rows - 1)) ** 1.15)
        seat = 0.62 * scale
        offset = rng.random() * seat
        dim = 0.35 * (1 - row / (rows - 1))
        for k in range(-1, int(width / seat) + 2):
            team, arms, shirt_k, skin_k, hair_k = rng.random(), rng.random(), *rng.integers(0, 60, 3)
            beat, start, lean = 4.5 + 4 * rng.random(), 6.28 * rng.random(), rng.random() - 0.5
            shirt = colours[shirt_k % len(colours)] if team < 0.6 else plain[shirt_k % len(plain)]
            shirt, skin, hair = (
                mix(colour, (14, 16, 26), dim)
                for colour in (shirt, skins[skin_k % len(skins)], hairs[hair_k % len(hairs)])
            )
            wave = math.sin(time_s * beat + start)
            jump = (0.22 * abs(wave) if excited else 0.025 * wave) * scale
            x = offset + k * seat + lean * 0.12 * scale + (0.03 * scale * math.sin(time_s * 2 + start))
            y = base - jump
            _draw_supporter(image, x, y, scale, shirt, skin, hair, arms if excited else arms * 0.55, wave)
    # 3) photographers' flashes
    if excited:
        for k in range(3):
            x, y, fires = np.random.default_rng([6, seed, k, index // 2]).random(3)
            if fires < 0.35:
                spot = (int(x * width), int((0.1 + 0.5 * y) * height))
                cv2.circle(image, spot, max(1, height // 90), (255, 255, 250), -1, cv2.LINE_AA)
                for dx, dy in ((1, 0), (0, 1), (-1, 0), (0, -1)):
                    ray = (spot[0] + dx * height // 28, spot[1] + dy * height // 28)
                    cv2.line(image, spot, ray, (255, 255, 250), max(1, height // 240), cv2.LINE_AA)


def _draw_supporter(image, x, y, scale, shirt, skin, hair, arms: float, wave: float) -> None:
    """Draw one supporter: the head at (x, y) in pixels, the body below, `scale` pixels a metre.

    `arms` above 0.6: both are raised; above 0.85: with a scarf between them. `wave` is the arms' swing, −1 to 1.
    """

    # 1) the body
    def at(dx_m, dy_m):
        return int((x + dx_m * scale) * ONE_PX), int((y + dy_m * scale) * ONE_PX)

    def limb(a, b, wide_m, colour):
        cv2.line(image, a, b, colour, max(1, round(wide_m * scale)), cv2.LINE_AA, SHIFT)

    corners = np.array(
        [at(-0.15, 0.16), at(0.15, 0.16), at(0.25, 0.27), at(0.24, 1.3), at(-0.24, 1.3), at(-0.25, 0.27)]
    )
    cv2.fillConvexPoly(image, corners, shirt, cv2.LINE_AA, SHIFT)
    dark = mix(shirt, (0, 0, 0), 0.25)
    # 2) the arms
    if scale < 16:
        arms = -1.0  # too small to be seen
    if arms > 0.6:
        for side in (-1, 1):
            elbow, hand = at(0.34 * side, 0.12), at((0.3 + 0.06 * wave) * side, -0.24)
            limb(at(0.21 * side, 0.32), elbow, 0.11, dark)
            limb(elbow, hand, 0.09, skin)
        if arms > 0.85:
            limb(at(-0.32, -0.24), at(0.32, -0.24 + 0.04 * wave), 0.14, dark)
    elif arms >= 0:
        for side in (-1, 1):
            limb(at(0.22 * side, 0.34), at(0.25 * side, 0.66), 0.11, dark)
            limb(at(0.25 * side, 0.66), at((0.06 + 0.03 * wave) * side, 0.6), 0.09, skin)
    # 3) the head, with a face where it is large enough
    radius = round(0.14 * scale * ONE_PX)
    cv2.circle(image, at(0, -0.02), radius, hair, -1, cv2.LINE_AA, SHIFT)
    cv2.ellipse(
        image,
        at(0, 0.03),
        (round(radius * 0.82), round(radius * 0.9)),
        0,
        0,
        360,
        skin,
        -1,
        cv2.LINE_AA,
        SHIFT,
    )
    if scale > 40:
        eye = max(1, round(0.016 * scale * ONE_PX))
        for side in (-1, 1):
            cv2.circle(image, at(0.045 * side, 0.01), eye, (30, 22, 20), -1, cv2.LINE_AA, SHIFT)
        mouth = (round(0.045 * scale * ONE_PX), round((0.03 if arms > 0.6 else 0.01) * scale * ONE_PX))
        cv2.ellipse(image, at(0, 0.095), mouth, 0, 0, 360, (120, 44, 44), -1, cv2.LINE_AA, SHIFT)
