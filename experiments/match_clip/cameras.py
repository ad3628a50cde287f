"""Where the camera of each shot stands, where it looks and how far it zooms in."""

from __future__ import annotations

import math

import numpy as np
from scipy.ndimage import gaussian_filter1d

from experiments.match_clip.camera import aim
from experiments.match_clip.formations import ramp
from experiments.match_clip.script import FOURTH_OFFICIAL, SLOW_MOTION, Shot
from experiments.match_clip.world import FPS, HALF_LENGTH_M

_MAIN_CAMERA_M = (0.0, -74.0, 21.0)


def shot_cameras(shots: list[Shot], frames: int, ball: np.ndarray, xy: np.ndarray, heading: np.ndarray):
    """Return the camera (frames, 6) and the world frame (frames,) of each frame of the clip.

    `ball` (frames, 3), `xy` (frames, people, 2) in metres, `heading` (frames, people) in radians. A replay shows past
    world frames at half speed.
    """
    camera, world = np.zeros((frames, 6)), np.arange(frames, dtype=float)
    for shot in shots:
        span = slice(shot.from_frame, shot.to_frame)
        count = shot.to_frame - shot.from_frame
        if shot.kind == "replay":
            world[span] = np.minimum(shot.world_from + np.arange(count) * SLOW_MOTION, frames - 1)
        seen = np.rint(world[span]).astype(int)
        calm_s = 1.4 if shot.kind == "replay" else 0.75
        target = gaussian_filter1d(ball[seen], calm_s * FPS, axis=0, mode="nearest")
        if shot.kind == "close-up":
            camera[span] = _close_up_camera(shot, xy[seen], heading[seen])
        elif shot.kind == "goal-line":
            place = np.array([shot.side * 55.0, shot.near * 27.0, 5.0])
            look = np.array([shot.side * 46.0, -shot.near * 12.0, 1.0]) + 0.1 * (target - target.mean(axis=0))
            camera[span] = _camera_rows(place, look, 1.15)
        elif shot.kind == "replay":
            camera[span] = _replay_camera(shot, target)
        else:
            camera[span] = _main_camera(target)
    return camera, world


def _camera_rows(place: np.ndarray, target: np.ndarray, focal: float | np.ndarray) -> np.ndarray:
    """Return cameras (N, 6) at `place` that look at `target` (N, 3)."""
    place = np.broadcast_to(place, target.shape)
    yaw, pitch = aim(place, target)
    return np.column_stack([place, yaw, pitch, np.broadcast_to(focal, yaw.shape)])


def _main_camera(ball: np.ndarray) -> np.ndarray:
    """Return the main camera (N, 6) on the half-way line: it follows the ball (N, 3) and zooms in near the goals."""
    aside = np.clip(np.abs(ball[:, 1]) - 14, 0, 20) * np.sign(ball[:, 1])
    y = 0.5 * ball[:, 1] + 0.3 * aside + 1.5
    target = np.column_stack([np.clip(ball[:, 0] * 0.97, -44, 44), y, 0 * y])
    near_goal = ramp((np.abs(target[:, 0]) - 14) / 26) * (1 - ramp((np.abs(ball[:, 1]) - 14) / 18))
    away = np.linalg.norm(target - np.array(_MAIN_CAMERA_M), axis=1)
    # The picture is 44 m wide at the ball, 33 m in front of the goals.
    return _camera_rows(np.array(_MAIN_CAMERA_M), target, away / (44 - 11 * near_goal))


def _close_up_camera(shot: Shot, xy: np.ndarray, heading: np.ndarray) -> np.ndarray:
    """Return the camera (N, 6) of a close-up: in front of its people, 13 m away, with a long lens."""
    subject = xy[:, list(shot.focus)].mean(axis=1)
    middle = heading[len(heading) // 2, list(shot.focus)]
    angle = math.atan2(np.sin(middle).mean(), np.cos(middle).mean()) + 0.3
    if len(shot.focus) > 1:
        angle = -math.pi / 2 + 0.12
    away = 13.0
    slow = gaussian_filter1d(subject, 8, axis=0, mode="nearest")
    place = np.column_stack(
        [slow + away * np.array([math.cos(angle), math.sin(angle)]), np.full(len(xy), 1.5)]
    )
    look = gaussian_filter1d(subject, 5, axis=0, mode="nearest")
    sway = np.sin(np.arange(len(xy)) / 11.0)[:, None] * (0.03, 0.02)
    board = FOURTH_OFFICIAL in shot.focus
    target = np.column_stack(
        [look + sway, np.full(len(xy), 1.75 if board else 1.55 if len(shot.focus) == 1 else 1.62)]
    )
    return _camera_rows(place, target, away / (4.2 if board else 3.2 if len(shot.focus) == 1 else 4.3))


def _replay_camera(shot: Shot, ball: np.ndarray) -> np.ndarray:
    """Return the camera (N, 6) of a replay, which follows the ball (N, 3)."""
    goal = np.array([shot.side * HALF_LENGTH_M, 0.0, 1.2])
    if shot.angle == "behind":
        return _camera_rows(np.array([shot.side * 66.0, -9.0, 7.5]), 0.55 * goal + 0.45 * ball, 1.15)
    if shot.angle == "line":
        return _camera_rows(np.array([shot.side * 49.0, -33.0, 5.5]), 0.6 * goal + 0.4 * ball, 1.35)
    away = np.linalg.norm(ball - np.array(_MAIN_CAMERA_M), axis=1)
    return _camera_rows(np.array(_MAIN_CAMERA_M), ball, away / 19)
