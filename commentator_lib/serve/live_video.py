"""Encode what a feed gives in real time: H.264 and AAC, with captions drawn into the picture or beside it.

Each picture has the time at which it was due, and each sample of the mix its own: the muxer keeps both as they are.
Where the picture stands still it is repeated a few times a second, so that muxers and receivers go on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path

import numpy as np

from commentator_lib.media import PLAYBACK_RATE_HZ
from commentator_lib.runs.caption_painter import CaptionPainter
from commentator_lib.runs.line_breaks import caption_lines
from commentator_lib.runs.planes import PictureFitter
from commentator_lib.serve.feed import Feed, Item, Picture, Sound, Subscription, Words
from commentator_lib.serve.live_captions import LiveCaptions
from commentator_lib.video_writer import H264Writer, Sink, SoundTrack

# Decoding can begin so often, which is also the length of a segment of HLS.
KEY_EVERY_S = 2.0
_STILL_EVERY_S = 0.25
_VIDEO_CLOCK_HZ = 90_000
# No delay in the encoder, and key pictures only where they are asked for. `_BITS` a pixel are the most; what needs
# fewer gets fewer.
_ENCODER = {"preset": "ultrafast", "tune": "zerolatency", "crf": "23", "g": "100000", "forced-idr": "1"}
_BITS = 0.15
# Pictures that wait for the encoder: beyond them the oldest are lost.
_WAITING_PICTURES = 16


def subscribe_to_all(feed: Feed, on_new: Callable[[], None]) -> Subscription:
    """Return a subscription to all that `LiveVideo` takes."""
    return feed.subscribe(on_new, pictures=_WAITING_PICTURES, sound=True, words=True)


class LiveVideo:
    """Writes a feed's items to `path`, from the first picture on; `begins_s`: clock time, nothing before is written.

    `container` and `muxer` are as in H264Writer. The size is that of the first picture; later ones are fitted in.
    `draws_captions`: into the picture; else they are a track of subtitles. `on_key()` is called before each picture
    with which decoding can begin. Raise OSError or av.FFmpegError in `take` and `close` where it cannot be written.
    """

    def __init__(
        self,
        feed: Feed,
        path: Path | Sink,
        container: str,
        muxer: Mapping[str, str],
        begins_s: float,
        draws_captions: bool,
        on_key: Callable[[], None] = lambda: None,
    ) -> None:
        self._feed, self._path, self._container, self._muxer = feed, path, container, dict(muxer)
        self._draws_captions, self._on_key = draws_captions, on_key
        self._captions = LiveCaptions()
        self._writer: H264Writer | None = None
        self._zero_s = begins_s
        self._picture: np.ndarray | None = None
        self._shown_s = begins_s  # when the newest picture was written, or repeated
        self._key_s = float("-inf")
        self._wants_key = False
        self._cue = ("", begins_s)  # the text on screen, and from when on it is not written yet

    def want_key(self) -> None:
        """Let decoding begin with the next picture."""
        self._wants_key = True

    def take(self, items: list[Item]) -> None:
        """Write items, in the order of their times."""
        for item in items:
            if isinstance(item, Words):
                self._captions.add(item)
            elif isinstance(item, Picture):
                self._open(item)
                self._picture = item.image
                self._write_picture(max(item.at_s, self._zero_s))
            elif isinstance(item, Sound) and self._writer is not None:
                first = round((item.at_s - self._zero_s) * PLAYBACK_RATE_HZ)
                self._writer.write_sound(item.samples, first)
                while item.at_s - self._shown_s > _STILL_EVERY_S:
                    self._write_picture(self._shown_s + _STILL_EVERY_S)

    def close(self) -> None:
        """Complete the file."""
        if self._writer is not None:
            writer, self._writer = self._writer, None
            writer.__exit__(None, None, None)

    def _open(self, first: Picture) -> None:
        if self._writer is not None:
            return
        height, width = (max(2, size // 2 * 2) for size in first.image.shape[:2])
        fps = max(1, round(self._feed.fps))
        most = str(round(width * height * fps * _BITS))
        self._zero_s = max(first.at_s, self._zero_s)
        self._fitter = PictureFitter(width, height)
        self._painter = CaptionPainter(width, height, self._feed.commentator)
        self._writer = H264Writer(
            self._path,
            width,
            height,
            fps,
            encoder={**_ENCODER, "maxrate": most, "bufsize": most},
            muxer=self._muxer,
            container=self._container,
            time_base=Fraction(1, _VIDEO_CLOCK_HZ),
            sound_tracks=(SoundTrack("mix", PLAYBACK_RATE_HZ, channels=2),),
            subtitles="" if self._draws_captions else "captions",
        )

    def _write_picture(self, at_s: float) -> None:
        assert self._writer is not None and self._picture is not None
        is_key = self._wants_key or at_s - self._key_s >= KEY_EVERY_S
        text = self._captions.text_at(at_s)
        if not self._draws_captions:
            self._write_cue(text, at_s, is_key)
        if is_key:
            self._wants_key, self._key_s = False, at_s
            self._on_key()
        picture = self._fitter.fitted(self._picture)
        if self._draws_captions:
            picture = self._painter.painted(picture, text)
        self._writer.write(picture, at_s - self._zero_s, is_key)
        self._shown_s = at_s

    def _write_cue(self, text: str, at_s: float, is_key: bool) -> None:
        """Write the caption that ends here, or so much of it as belongs to the segment that ends here."""
        before, from_s = self._cue
        if text == before and not is_key:
            return
        if before and at_s > from_s and self._writer is not None:
            lines = "\n".join(caption_lines(before))
            self._writer.write_subtitle(lines, from_s - self._zero_s, at_s - self._zero_s)
        self._cue = (text, at_s)
