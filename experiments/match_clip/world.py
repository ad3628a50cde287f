"""The world of the scripted match: its measures, its poses and its colours.

x along the pitch, y away from the main camera, z up; metres from the centre spot. Colours are RGB.
"""

from __future__ import annotations

FPS = 25
HALF_LENGTH_M, HALF_WIDTH_M = 52.5, 34.0
GOAL_HALF_WIDTH_M, GOAL_HEIGHT_M, GOAL_DEPTH_M = 3.66, 2.44, 2.0
BALL_RADIUS_M = 0.11
PEOPLE_SCALE = 1.12  # people and ball are a little larger than life: it reads better on small pictures
BALL_SCALE = 1.7

# Poses; what a person does beside running and standing.
RUN, KICK, HEADER, DIVE_LEFT, DIVE_RIGHT, CELEBRATE, DEJECTED, YELLOW, RED, BOARD = range(10)
Colour = tuple[int, int, int]


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """Return the colour between two: `share` of the other one."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue
