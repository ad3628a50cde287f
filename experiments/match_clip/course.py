"""The course of the scripted match: who plays, what happens when, and where everybody is in every frame.

1) `blocks` samples the action and places it in time. 2) `interludes` and `plays` turn it into a director's notes:
touches of the ball, errands of people, cuts and captions. 3) `formations`, `movement` and `cameras` compute arrays
with a row for each frame, and `heard` says what is heard and when.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from scipy.ndimage import gaussian_filter1d

from experiments.match_clip.blocks import plan_blocks
from experiments.match_clip.cameras import shot_cameras
from experiments.match_clip.director import Director, Errand, attack_direction
from experiments.match_clip.events import Stretch, Truth
from experiments.match_clip.formations import ball_path, formations
from experiments.match_clip.heard import plan_sounds
from experiments.match_clip.interludes import open_match, play_between
from experiments.match_clip.movement import (
    headings,
    limit_speed,
    name_touches,
    place_officials,
    send_people,
    wander,
)
from experiments.match_clip.plays import play_block
from experiments.match_clip.script import MatchError, Script
from experiments.match_clip.teams import choose_squads, choose_teams
from experiments.match_clip.world import FPS, KICK

SHORTEST_S, LONGEST_S = 20.0, 4 * 3600.0
_WIPE_FRAMES = 6  # length of a wipe before its cut, and the same after it


def write_script(duration_s: float, seed: int) -> Script:
    """Return the course of a match of `duration_s` seconds: a pure function of its arguments.

    Raise MatchError for a duration or a seed out of range.
    """
    if not SHORTEST_S <= duration_s <= LONGEST_S:
        raise MatchError(
            f"a match of {duration_s:g} s cannot be made: it takes {SHORTEST_S:g} to {LONGEST_S:g} s"
        )
    if seed < 0:
        raise MatchError(f"seed {seed} cannot be used: seeds are 0 or above")
    # 1) teams, people and the plan of the action
    rng = np.random.default_rng(seed)
    frames = round(duration_s * FPS)
    duration_s = frames / FPS
    teams = choose_teams(rng)
    people = choose_squads(rng, teams)
    blocks = plan_blocks(rng, duration_s)
    needed = sum({"goal": 3, "": 2}.get(block.outcome, 0) for block in blocks)
    director = Director(rng, duration_s, teams, people, max(0, math.floor(15 * duration_s / 120) - needed))
    # 2) the director's notes, in order of time
    open_match(director)
    stretches, now_s = [], 0.0
    for before, block in zip([None, *blocks], blocks, strict=False):
        play_between(director, before, block, now_s, block.from_s)
        play_block(director, block)
        stretches.append(Stretch("nothing", round(now_s, 3), round(block.from_s, 3)))
        stretches.append(Stretch("action", round(block.from_s, 3), round(block.to_s, 3)))
        now_s = block.to_s
    play_between(director, blocks[-1], None, now_s, duration_s)
    stretches.append(Stretch("nothing", round(now_s, 3), duration_s))
    # 3) the truth, and the arrays by frame
    events = tuple(sorted(director.events, key=lambda event: event.t_s))
    codes = (teams[0].code, teams[1].code)
    truth = Truth(duration_s, events, tuple(stretches), codes, seed)
    return _compute_script(rng, director, truth, frames)


def _compute_script(rng: np.random.Generator, director: Director, truth: Truth, frames: int) -> Script:
    """Return the script: the director's notes as arrays with a row for each frame."""
    # 1) the ball's path (frames, 3), and the formations that follow it
    touches = sorted(director.touches, key=lambda touch: touch.t_s)
    ball = ball_path(touches, frames)
    slow = gaussian_filter1d(ball[:, :2], 1.4 * FPS, axis=0, mode="nearest")
    players = formations(slow, director.modes, frames)
    name_touches(touches, director.errands, players, director.gone_from_s)
    sounds = plan_sounds(touches, truth.events, truth.stretches, truth.duration_s, truth.seed, truth.teams[0])
    truth = replace(truth, sounds=sounds)
    # 2) where everybody is (frames, people, 2): formations, small random movement, errands, no more than human speed
    places = np.concatenate([players, place_officials(ball[:, :2])], axis=1)
    places[:, :23] += wander(rng, 23, frames) * 0.8
    errands = list(director.errands)
    for touch in touches:
        if touch.who >= 0:
            xy = (touch.place[0] - 0.35 * attack_direction(touch.team), touch.place[1] - 0.1)
            errands.append(Errand(touch.who, min(touch.arrives_s, touch.t_s), touch.t_s + 0.12, xy))
    send_people(places, errands)
    limit_speed(places)
    places = gaussian_filter1d(places, 3, axis=0, mode="nearest")
    # 3) where everybody looks, and the phase of their steps in radians
    heading = headings(places, ball[:, :2])
    speed = np.linalg.norm(np.gradient(places, axis=0), axis=2) * FPS
    stride = np.cumsum(2 * math.pi * (0.7 * np.minimum(1, speed / 0.8) + 0.16 * speed) / FPS, axis=0)
    stride += rng.uniform(0, 2 * math.pi, stride.shape[1])
    # 4) poses: kicks begin before the ball is played on
    pose, pose_age_s = np.zeros(stride.shape, np.uint8), np.zeros(stride.shape, np.float32)
    kicks = []
    for touch, then in zip(touches, touches[1:], strict=False):
        if touch.who >= 0 and math.dist(touch.place[:2], then.place[:2]) > 3:
            lead_s = 0.22 if touch.kick == KICK else 0.3
            kicks.append((touch.who, touch.t_s - lead_s, touch.t_s + 0.3, touch.kick))
    for who, from_s, to_s, what in [*kicks, *director.poses]:
        first, last = max(0, round(from_s * FPS)), min(frames, round(to_s * FPS))
        pose[first:last, who] = what
        pose_age_s[first:last, who] = np.arange(max(0, last - first)) / FPS
    # 5) shots from cut to cut, and their cameras
    shots = [shot for shot in director.shots if shot.from_frame < frames]
    shots.sort(key=lambda shot: shot.from_frame)
    ends = [*(shot.from_frame for shot in shots[1:]), frames]
    shots = [replace(shot, to_frame=end) for shot, end in zip(shots, ends, strict=True)]
    camera, world = shot_cameras(shots, frames, ball, places, heading)
    # 6) the shot, the caption, the wipe and the score of each frame
    shot_of = np.zeros(frames, np.int32)
    for k, shot in enumerate(shots):
        shot_of[shot.from_frame : shot.to_frame] = k
    caption_of = np.full(frames, -1, np.int32)
    for k, caption in enumerate(director.captions):
        caption_of[caption.from_frame : caption.to_frame] = k
    wipe = np.zeros(frames, np.float32)
    for frame in director.wipes:
        steps = np.arange(-_WIPE_FRAMES, _WIPE_FRAMES)
        inside = (frame + steps >= 0) & (frame + steps < frames)
        wipe[(frame + steps)[inside]] = ((steps + _WIPE_FRAMES + 0.5) / (2 * _WIPE_FRAMES))[inside]
    score = np.zeros((frames, 2), np.int16)
    for event in truth.of_kind("scoreboard"):
        assert event.score is not None  # every change of the scoreboard has one
        score[round(event.t_s * FPS) :] = event.score
    # 7) how lively the crowd is: 1 at a goal, 0 after nine seconds
    cheer = np.zeros(frames, np.float32)
    for event in truth.of_kind("goal"):
        first = round(event.t_s * FPS)
        fading = 1 - np.arange(min(frames - first, 9 * FPS)) / (9 * FPS)
        cheer[first : first + len(fading)] = np.maximum(cheer[first : first + len(fading)], fading)
    kits = [(team.shirt, team.shorts) for team in director.teams]
    return Script(
        truth=truth,
        frames=frames,
        clock_start_s=60 * int(rng.integers(0, max(1, 88 - math.ceil(truth.duration_s / 60)))),
        team_colours=(kits[0][0], kits[1][0]),
        crowd_colours=(kits[0][0], kits[0][0], kits[0][1], kits[1][0]),
        people=tuple(director.people),
        changes={who: tuple(rows) for who, rows in director.changes.items()},
        boards=tuple(director.boards),
        shots=tuple(shots),
        captions=tuple(director.captions),
        tall=rng.uniform(0.96, 1.05, len(places[0])),
        shot_of=shot_of,
        world=world,
        camera=camera,
        wipe=wipe,
        score=score,
        caption_of=caption_of,
        cheer=cheer,
        ball=ball.astype(np.float32),
        people_xy=places.astype(np.float32),
        heading=heading.astype(np.float32),
        stride=stride,
        pose=pose,
        pose_age_s=pose_age_s,
    )
