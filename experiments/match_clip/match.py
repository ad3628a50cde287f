"""A synthetic football broadcast of any length, in which the frame of every event is known.

Commentary can only be measured against what really happened. Labels of a recorded match are about a second wrong,
its pictures need a licence, and it ends after ninety minutes. Here a seed decides the course of the match
(`write_script`, which computes no picture), and the course decides every frame (`draw`). So the truth is exact, and
a match can be as long as is needed. The sound (`sound`) is computed from the same course.

Rules of time, which tests check:

  goal          `t_s` is the first frame with the ball over the line; the banner comes 0.6 s later and stays
                4.5 s; the scoreboard changes 2 s after the goal; a replay at half speed follows after 5-9 s
  shot          when the ball leaves the foot (or the head); every goal has one, 0.4 to 1 s before
  card          when the referee shows it; its caption comes 0.5 s later and stays 4 s
  substitution  when the fourth official's board is up; caption as for a card
  corner        when the ball is kicked, under a caption of 2 s
  kick-off      when the ball is played from the centre spot: at the start and after every goal
  cut           the first frame of another camera; around a replay, the middle of the wipe
  scoreboard    the first frame with the new score, which stays from then on; `visible_s` says how long it counts as new

Stretches of `action` are attacks up to the end of their replay, corners, cards and substitutions. All other time is
`nothing`: passing in midfield, walking back, kick-offs, waiting for a corner, a calm crowd.

What is heard, and when, are the truth's `sounds`; the docstring of `experiments.match_clip.heard` gives their rules.

    python -m experiments.match --seconds 120 --seed 0 --height 360
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from commentator_lib.video_writer import H264Writer, SoundTrack
from experiments.match_clip.course import write_script
from experiments.match_clip.draw import draw
from experiments.match_clip.events import EventsError, Truth, load_events, save_events
from experiments.match_clip.script import MatchError, Script
from experiments.match_clip.sound import RATE_HZ, sound_blocks
from experiments.match_clip.world import FPS
from experiments.tools.command_line import help_text, new_app, run_app

__all__ = ["CLIPS_FOLDER", "FPS", "MatchError", "Script", "draw", "match_clip", "render", "write_script"]
CLIPS_FOLDER = Path(__file__).resolve().parents[2] / "data" / "made"
RENDER_VERSION = 4  # part of the clips' names; raise it with every change of pictures, sound or course
PROGRAMME = SoundTrack("programme", RATE_HZ, channels=2)
HEIGHTS_PX = (144, 1080)


def _check_height(height: int) -> None:
    low, high = HEIGHTS_PX
    if not low <= height <= high or height % 2:
        raise MatchError(f"a height of {height} px cannot be made: give an even number from {low} to {high}")


def width_px(height: int) -> int:
    """Return the width in pixels for 16:9, even, as the encoder requires.

    >>> width_px(360), width_px(720), width_px(144)
    (640, 1280, 256)
    """
    return 2 * round(height * 16 / 9 / 2)


def clip_path(duration_s: float, seed: int, height: int, folder: Path) -> Path:
    """Return where a clip is stored: its name holds all that its pictures and sound depend on."""
    return Path(folder) / f"match-{height}p-{duration_s:g}s-seed{seed}-v{RENDER_VERSION}.mp4"


def events_path(clip: Path) -> Path:
    """Return where the events file of a clip is stored."""
    return clip.with_suffix(".events.json")


def render(script: Script, clip: Path, height: int = 360, progress: bool = False) -> None:
    """Write the clip (H.264, `height` pixels high, 16:9; AAC in stereo) and then its events file. Raise MatchError.

    Two renders give the same bytes: one encoding thread, and no date in the file.
    """
    _check_height(height)
    part = clip.with_name(f"{clip.name}.{os.getpid()}.part")  # two processes may render the same clip
    try:
        clip.parent.mkdir(parents=True, exist_ok=True)
        try:
            _encode(script, part, height, progress)
            events_path(clip).unlink(missing_ok=True)  # it belongs to the clip that is replaced now
            part.replace(clip)
        finally:
            part.unlink(missing_ok=True)
        save_events(script.truth, events_path(clip), clip)
    except OSError as error:
        raise MatchError(f"cannot write {clip}: {error.strerror or error}") from None


def _encode(script: Script, path: Path, height: int, progress: bool) -> None:
    width = width_px(height)
    options = {"crf": "23", "preset": "veryfast", "x264-params": f"keyint={FPS}:min-keyint={FPS}:scenecut=0"}
    with H264Writer(
        path, width, height, FPS, encoder=options, container="mp4", bit_exact=True, sound_tracks=(PROGRAMME,)
    ) as video:
        write_broadcast(video, script, path.stem, progress)


def write_broadcast(video: H264Writer, script: Script, label: str, progress: bool) -> None:
    """Write a match's pictures, in the writer's size, and its sound beside them, second by second."""
    from tqdm import tqdm

    blocks, at_sample = sound_blocks(script), 0
    for k in tqdm(range(script.frames), desc=label, unit="frame", disable=None if progress else True):
        if k % FPS == 0:
            block = next(blocks)
            video.write_sound(block, at_sample)
            at_sample += len(block)
        video.write(draw(script, k, video.width_px, video.height_px))


def match_clip(
    duration_s: float = 120.0, seed: int = 0, height: int = 360, folder: Path = CLIPS_FOLDER
) -> tuple[Path, Truth]:
    """Return the clip of a match and its truth; render them unless both are in `folder`. Raise MatchError."""
    _check_height(height)
    clip = clip_path(duration_s, seed, height, folder)
    try:
        if clip.exists():
            return clip, load_events(events_path(clip), clip)
    except EventsError:
        pass  # the events file is missing or belongs to another clip: render both again
    script = write_script(duration_s, seed)
    render(script, clip, height, progress=True)
    return clip, script.truth


app = new_app()


@app.command(help=help_text(__doc__))
def main(
    seconds: Annotated[float, typer.Option(help="Length, s, at least 20.")] = 120.0,
    seed: Annotated[int, typer.Option(help="Seed of all draws, 0 or above.")] = 0,
    height: Annotated[int, typer.Option(help="Height, px, even, 144 to 1080; the picture is 16:9.")] = 360,
    out: Annotated[
        Path, typer.Option(help="Folder of the clips (default data/made).", show_default=False)
    ] = CLIPS_FOLDER,
    force: Annotated[bool, typer.Option("--force", help="Render again even if the clip is there.")] = False,
) -> None:
    if force:
        events_path(clip_path(seconds, seed, height, out)).unlink(missing_ok=True)
    clip, truth = match_clip(seconds, seed, height, out)
    print(clip)
    print(events_path(clip))
    print(f"{'t, s':>8}  {'visible, s':>10}  {'event':<13}{'team':<6}{'player':<14}score")
    for event in truth.events:
        score = "{}-{}".format(*event.score) if event.score else ""
        row = f"{event.t_s:8.2f}  {event.visible_s:10.2f}  {event.kind:<13}{event.team:<6}{event.player:<14}"
        print(f"{row}{score}")


if __name__ == "__main__":
    run_app(app, "match")
