"""A contact sheet: one frame of each clip in a grid, with its name, to look at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from experiments.boards.clip import Clip
from experiments.boards.fonts import Font, text_mask
from experiments.boards.script import FPS
from experiments.errors import UserError
from experiments.match_clip.textures import paste

_TILE = 480, 270  # px


def tile(clip: Clip) -> np.ndarray:
    """Return a frame of a clip, just after its first change, with its name below."""
    at = clip.changes[0].at_frame + FPS if clip.changes else clip.course.frames // 2
    picture = cv2.resize(clip.draw(at), _TILE, interpolation=cv2.INTER_AREA)
    framed = np.full((_TILE[1] + 26, _TILE[0] + 6, 3), 20, np.uint8)
    framed[: _TILE[1], : _TILE[0]] = picture
    label = f"{clip.name}  {clip.width_px}x{clip.height_px}  crf {clip.crf}"
    paste(framed, text_mask(label, Font("sans"), 10.0), (235, 235, 235), 6, _TILE[1] + 3)
    return framed


def save_sheet(clips: Sequence[Clip], path: Path, columns: int = 4) -> None:
    """Write a contact sheet of clips. Raise UserError where the file cannot be written."""
    tiles = [tile(clip) for clip in clips]
    blank = np.full_like(tiles[0], 20)
    tiles += [blank] * (-len(tiles) % columns)
    rows = [np.hstack(tiles[k : k + columns]) for k in range(0, len(tiles), columns)]
    try:
        Image.fromarray(np.vstack(rows)).save(path)
    except (OSError, ValueError) as error:
        raise UserError(f"cannot write the sheet {path}: {error}") from None
