"""Where the joints of people are: a running cycle that depends on phase and speed, and poses such as a kick or a dive.

The main camera and a close-up look at the same three-dimensional skeletons, so a replay shows the same kick.
"""

from __future__ import annotations

import math

import numpy as np

from experiments.match_clip.world import (
    BOARD,
    CELEBRATE,
    DEJECTED,
    DIVE_LEFT,
    DIVE_RIGHT,
    HEADER,
    KICK,
    PEOPLE_SCALE,
    RED,
    YELLOW,
)

# Joints of a skeleton; left and right alternate from SHOULDER on.
HEAD, NECK, PELVIS, SHOULDER, ELBOW, HAND, HIP, KNEE, ANKLE, TOE = 0, 1, 2, 3, 5, 7, 9, 11, 13, 15
_JOINTS = 17


def skeletons(xy, heading, phase, speed_m_s, pose, age_s, tall) -> np.ndarray:
    """Return the joints (N, 17, 3) of N people in metres: a running cycle by phase and speed, then their poses.

    `xy` (N, 2) in metres; the others are (N,): heading and phase in radians, speed in m/s, pose, its age in seconds,
    and height as a share of the usual one.
    """
    # 1) the running cycle, in each person's own axes
    count = len(xy)
    local = np.zeros((count, _JOINTS, 3))  # forward, to the left, up
    moving = np.clip(speed_m_s / 0.8, 0, 1)
    swing = np.minimum(0.16 + 0.11 * speed_m_s, 0.85) * moving
    lean = np.minimum(0.03 * speed_m_s, 0.2)
    local[:, HEAD] = np.stack([lean * 1.15, 0 * lean, 1.67 - lean * 0.2], axis=1)
    local[:, NECK] = np.stack([lean * 0.9, 0 * lean, 1.47 - lean * 0.15], axis=1)
    local[:, PELVIS, 2] = 0.93
    for k, side in enumerate((1, -1)):
        turn = phase + k * math.pi
        thigh = swing * np.sin(turn)
        bend = 0.06 + 1.5 * swing * np.clip(np.cos(turn), 0, 1) + 0.25 * swing
        shin = thigh - bend
        local[:, HIP + k] = (0, 0.1 * side, 0.91)
        local[:, KNEE + k] = local[:, HIP + k] + _limb_vector(thigh, 0.44, 0.03 * side * (1 - moving))
        local[:, ANKLE + k] = local[:, KNEE + k] + _limb_vector(shin, 0.42, 0.01 * side)
        local[:, TOE + k] = local[:, ANKLE + k] + _limb_vector(shin * 0.6 + 1.45, 0.2, 0.03 * side)
        arm = -thigh * 0.9
        flex = 0.25 + 1.1 * np.minimum(speed_m_s / 4, 1)
        local[:, SHOULDER + k] = np.stack([lean * 0.85, 0 * lean + 0.19 * side, 1.42 - lean * 0.15], axis=1)
        local[:, ELBOW + k] = local[:, SHOULDER + k] + _limb_vector(arm, 0.29, 0.08 * side)
        local[:, HAND + k] = local[:, ELBOW + k] + _limb_vector(arm + flex, 0.26, -0.02 * side)
    # The lower foot stands on the ground.
    local[..., 2] += (0.08 - local[:, ANKLE : ANKLE + 2, 2].min(axis=1))[:, None]
    # 2) poses
    for k in np.flatnonzero(pose):
        _apply_pose(local[k], int(pose[k]), float(age_s[k]))
    local *= (PEOPLE_SCALE * np.asarray(tall))[:, None, None]
    # 3) to the axes of the world
    forward = np.stack([np.cos(heading), np.sin(heading)], axis=1)
    left = np.stack([-forward[:, 1], forward[:, 0]], axis=1)
    world = np.empty_like(local)
    world[..., :2] = xy[:, None] + local[..., :1] * forward[:, None] + local[..., 1:2] * left[:, None]
    world[..., 2] = local[..., 2]
    return world


def _limb_vector(angle, length_m: float, sideways) -> np.ndarray:
    """Return the vector from a joint to the next; `angle` (radians) is 0 straight down and grows forward."""
    return np.stack([np.sin(angle) * length_m, 0 * angle + sideways, -np.cos(angle) * length_m], axis=-1)


def _apply_pose(local: np.ndarray, pose: int, age_s: float) -> None:
    """Change one skeleton (joints, 3) to a pose, `age_s` after the pose began."""
    if pose == KICK:
        angle = np.interp(age_s, [0, 0.16, 0.28, 0.5], [0, -1.0, 1.3, 0.3])
        local[KNEE + 1] = local[HIP + 1] + _limb_vector(np.float64(angle), 0.44, -0.02)
        shin = angle - np.interp(age_s, [0, 0.16, 0.26, 0.5], [0.3, 1.3, 0.05, 0.3])
        local[ANKLE + 1] = local[KNEE + 1] + _limb_vector(np.float64(shin), 0.42, 0.0)
        local[TOE + 1] = local[ANKLE + 1] + _limb_vector(np.float64(shin + 1.0), 0.2, 0.0)
        local[HAND] += (0.1, 0.25, 0.35)
        local[ELBOW] += (0.05, 0.15, 0.15)
    elif pose == HEADER:
        local[..., 2] += 0.55 * math.sin(math.pi * min(1.0, age_s / 0.6))
        for k, side in enumerate((1, -1)):
            local[ELBOW + k] = local[SHOULDER + k] + (0.05, 0.24 * side, 0.02)
            local[HAND + k] = local[ELBOW + k] + (0.15, 0.08 * side, 0.15)
    elif pose == CELEBRATE:
        wave = 0.12 * math.sin(age_s * 7)
        for k, side in enumerate((1, -1)):
            local[ELBOW + k] = local[SHOULDER + k] + (0.02, 0.17 * side, 0.2)
            local[HAND + k] = local[ELBOW + k] + (0.03, (0.05 + wave) * side, 0.26)
    elif pose == DEJECTED:
        local[HEAD] += (0.06, 0, -0.04)
        for k, side in enumerate((1, -1)):
            local[ELBOW + k] = local[SHOULDER + k] + (0.1, 0.2 * side, 0.16)
            local[HAND + k] = local[HEAD] + (0.05, 0.1 * side, 0.12)
    elif pose in (YELLOW, RED):
        up = min(1.0, age_s / 0.2)
        local[ELBOW + 1] = local[SHOULDER + 1] + (0.12, -0.05, -0.1 + 0.36 * up)
        local[HAND + 1] = local[ELBOW + 1] + (0.05, 0.0, 0.27 * up)
    elif pose == BOARD:
        for k, side in enumerate((1, -1)):
            local[ELBOW + k] = local[SHOULDER + k] + (0.16, 0.1 * side, 0.1)
            local[HAND + k] = local[ELBOW + k] + (0.06, 0.04 * side, 0.24)
    elif pose in (DIVE_LEFT, DIVE_RIGHT):
        side = 1 if pose == DIVE_LEFT else -1
        for k in range(2):
            local[ELBOW + k] = local[SHOULDER + k] + (0.1, 0.05, 0.24)
            local[HAND + k] = local[ELBOW + k] + (0.1, 0.0, 0.26)
        angle = -side * 1.4 * min(1.0, age_s / 0.35)
        hop = 0.5 * math.sin(math.pi * min(1.0, age_s / 0.6))
        y, z = local[:, 1].copy(), local[:, 2] - 0.25
        local[:, 1] = y * math.cos(angle) - z * math.sin(angle)
        local[:, 2] = y * math.sin(angle) + z * math.cos(angle) + 0.25 + hop
