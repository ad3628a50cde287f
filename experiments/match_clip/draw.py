"""Draw one frame of the scripted football match: a pinhole camera over a stadium measured in metres.

All cameras, from the main one high in the stand to a close-up, look at the same three-dimensional scene, so a
zoom, another angle and a replay of the same goal come from one description.

`draw` is a pure function of its arguments: any frame, at any size, in any order.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from experiments.match_clip.camera import fixed_point, focal_length_px, project, projection_matrix
from experiments.match_clip.crowd import draw_crowd
from experiments.match_clip.graphics import draw_caption, draw_replay_tag, draw_scoreboard, draw_wipe
from experiments.match_clip.limbs import LIMB_ORDERS, limb_quads
from experiments.match_clip.people import draw_card, draw_number_board, draw_person, draw_shadows
from experiments.match_clip.pitch import draw_ball, draw_flags, draw_goal, draw_ground, draw_lines
from experiments.match_clip.script import Script
from experiments.match_clip.skeletons import HAND, PELVIS, SHOULDER, skeletons
from experiments.match_clip.stands import draw_boards, draw_stands, visible_faces
from experiments.match_clip.textures import sensor_noise
from experiments.match_clip.world import BOARD, FPS, HALF_LENGTH_M, PEOPLE_SCALE, RED, YELLOW

_NIGHT = (16, 20, 34)


def _draw_scene(
    image, script: Script, index: int, camera, world: float, focus=(), sharp: bool = True
) -> None:
    """Draw the stadium as `camera` (6,) sees it at world frame `world`, which may lie between two frames.

    `focus`: the people of a close-up. If `sharp`, draw only them; else all but them and those nearer to the camera.
    """
    # 1) the stadium
    height, width = image.shape[:2]
    projection = projection_matrix(camera, width, height)
    stadium = not (focus and sharp)
    if stadium:
        image[:] = _NIGHT
        cheer = float(script.cheer[index])
        faces = visible_faces(projection, camera, width, height)
        draw_ground(image, projection, camera)
        draw_stands(image, faces, script.crowd_colours, cheer, index)
        draw_lines(image, projection)
        draw_boards(image, faces)
    # 2) ball and people between two world frames
    before, share = int(world), world - int(world)
    after = min(before + 1, len(script.ball) - 1)
    ball = script.ball[before] * (1 - share) + script.ball[after] * share
    xy = script.people_xy[before] * (1 - share) + script.people_xy[after] * share
    speed = np.hypot(*(script.people_xy[after] - script.people_xy[before]).T) * FPS
    phase = script.stride[before] * (1 - share) + script.stride[after] * share
    who = np.arange(len(script.people))
    if focus:
        who = np.array(focus) if sharp else np.setdiff1d(who, focus)
    bodies = skeletons(
        xy[who].astype(float),
        script.heading[before][who].astype(float),
        phase[who],
        speed[who],
        script.pose[before][who],
        script.pose_age_s[before][who] + share / FPS,
        script.tall[who],
    )
    # 3) leave out people who are not in the picture
    seen, depth = project(projection, bodies)  # (N, joints, 2), (N, joints)
    away = depth[:, PELVIS]
    nearest_m = 1.0
    if focus and not sharp:
        subject = np.append(xy[list(focus)].mean(axis=0), 1.0)
        nearest_m = float(project(projection, subject)[1]) + 1.0
    inside = (away > nearest_m) & (seen[..., 0].max(axis=1) > -9) & (seen[..., 0].min(axis=1) < width + 9)
    inside &= (seen[..., 1].max(axis=1) > -9) & (seen[..., 1].min(axis=1) < height + 40)
    who, bodies, seen, depth, away = who[inside], bodies[inside], seen[inside], depth[inside], away[inside]
    # 4) their limbs and shadows; `scale` is in pixels a metre
    scale = focal_length_px(projection) / away
    left_is_far = depth[:, SHOULDER] > depth[:, SHOULDER + 1]
    quads = fixed_point(limb_quads(seen, left_is_far, scale * PEOPLE_SCALE)) if len(who) else seen
    if stadium and height >= 100:
        draw_shadows(image, bodies, projection)
    # 5) people, goals and ball, the farthest first
    view = np.array([math.cos(camera[3]), math.sin(camera[3])])
    things = [(float(away[k]), "person", k) for k in range(len(who))]
    if stadium:
        _, around = project(projection, np.array([[-HALF_LENGTH_M, 0, 0], [HALF_LENGTH_M, 0, 0], ball]))
        things += [
            (float(around[0]), "goal", -1),
            (float(around[1]), "goal", 1),
            (float(around[2]), "ball", 0),
        ]
        draw_flags(image, projection)
    for _, kind, k in sorted(things, reverse=True):
        if kind == "goal":
            draw_goal(image, projection, k)
        elif kind == "ball":
            draw_ball(image, projection, ball)
        else:
            person = script.person_at(int(who[k]), before)
            heading = script.heading[before][who[k]]
            facing = -float(np.array([math.cos(heading), math.sin(heading)]) @ view)
            rows = LIMB_ORDERS[bool(left_is_far[k])]
            px_per_m = float(scale[k]) * PEOPLE_SCALE
            draw_person(image, person, seen[k], quads[k], rows, px_per_m, facing)
            pose = int(script.pose[before][who[k]])
            if pose in (YELLOW, RED):
                draw_card(image, seen[k][HAND + 1], px_per_m, pose)
            elif pose == BOARD:
                draw_number_board(image, seen[k], px_per_m, script.board_numbers(before))


def _draw_close_up(image, script: Script, index: int, camera, world: float, focus: tuple[int, ...]) -> None:
    """Draw as a long lens shows it: the people of `focus` are sharp, everything behind them is blurred."""
    height, width = image.shape[:2]
    small = np.empty((max(36, height // 5), max(64, width // 5), 3), np.uint8)
    _draw_scene(small, script, index, camera, world, focus, sharp=False)
    small = cv2.GaussianBlur(small, (0, 0), max(0.8, small.shape[0] / 60))
    cv2.resize(small, (width, height), dst=image, interpolation=cv2.INTER_CUBIC)
    _draw_scene(image, script, index, camera, world, focus)


def draw(script: Script, index: int, width: int, height: int) -> np.ndarray:
    """Return frame `index` of the match, (height, width, 3) uint8 RGB."""
    # 1) what the shot's camera sees
    image = np.empty((height, width, 3), np.uint8)
    shot = script.shots[int(script.shot_of[index])]
    camera, world = script.camera[index], float(script.world[index])
    if shot.kind == "crowd":
        draw_crowd(image, index, shot.seed, shot.excited, script.team_colours[shot.team])
    elif shot.kind == "close-up":
        _draw_close_up(image, script, index, camera, world, shot.focus)
    else:
        _draw_scene(image, script, index, camera, world)
    # 2) sensor noise
    noise = sensor_noise(width, height)
    down, right = index * 37 % 61, index * 23 % 59
    image = cv2.add(image, noise[down : down + height, right : right + width], dtype=cv2.CV_8U)
    # 3) the broadcaster's graphics
    if script.wipe[index] > 0:
        draw_wipe(image, float(script.wipe[index]), script.team_colours)
    if shot.kind == "replay":
        draw_replay_tag(image)
    clock_s = script.clock_start_s + index // FPS
    clock = f"{clock_s // 60:02d}:{clock_s % 60:02d}"
    score = (int(script.score[index][0]), int(script.score[index][1]))
    draw_scoreboard(image, script.truth.teams, script.team_colours, score, clock)
    if script.caption_of[index] >= 0:
        caption = script.captions[int(script.caption_of[index])]
        share = min(1.0, (index - caption.from_frame + 1) / 5)
        draw_caption(image, caption.heading, caption.line, caption.colour, caption.icon, share)
    return image
