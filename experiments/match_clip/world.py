"""The world of the scripted match: its dimensions, poses and colours.

Coordinates are metres from the centre spot: x along the pitch, y away from the main camera, z up. Colours are RGB.
"""

from __future__ import annotations

FPS = 25
HALF_LENGTH_M, HALF_WIDTH_M = 52.5, 34.0
GOAL_HALF_WIDTH_M, GOAL_HEIGHT_M, GOAL_DEPTH_M = 3.66, 2.44, 2.0
BALL_RADIUS_M = 0.11
PEOPLE_SCALE = 1.12  # people and ball are drawn larger than they are, so that small pictures show them
BALL_SCALE = 1.7

# Poses: what a person does instead of running or standing (RUN is both).
RUN, KICK, HEADER, DIVE_LEFT, DIVE_RIGHT, CELEBRATE, DEJECTED, YELLOW, RED, BOARD = range(10)
Colour = tuple[int, int, int]


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """Return the colour between two; `share` (0 to 1) is that of the other one."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue
