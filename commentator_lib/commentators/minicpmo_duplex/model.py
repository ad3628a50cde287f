"""One second after another through MiniCPM-o 4.5 in duplex: picture and sound in; silence, or words and sound, out.

The steps are those of the model's own code (OpenBMB/MiniCPM-o-Demo, folder MiniCPMO45, modeling_minicpmo.py,
MiniCPMODuplex: `prepare`, `streaming_prefill`, `streaming_generate`), and so are the seconds, with two exceptions:

- where a turn ends and the model then says that it listens, that code throws the second's words away and does not end
  the voice's turn; here they are said, and the turn is over;
- `start_threshold` and cancelling are not in it. A turn that is cancelled is closed by the token that ends a turn, and
  the model listens for that second, as the demo of the same repository does it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from commentator_lib.commentators.base import StageTimes
from commentator_lib.commentators.minicpmo.hearing import AUDIO_END, AUDIO_START, RATE_HZ, Hearing
from commentator_lib.commentators.minicpmo.stage_clock import StageClock
from commentator_lib.commentators.minicpmo_duplex.tokens import MAX_UNIT_TOKENS, DuplexTokens
from commentator_lib.commentators.plain_text import without_marks
from commentator_lib.commentators.text_stream import TextStream
from commentator_lib.media import AudioChunk, Frame

if TYPE_CHECKING:
    from commentator_lib.commentators.minicpmo.loading import Loaded
    from commentator_lib.commentators.minicpmo.vision import Vision
    from commentator_lib.commentators.minicpmo_duplex.decoder import UnitDecoder
    from commentator_lib.commentators.minicpmo_duplex.hearing import StreamingHearing
    from commentator_lib.commentators.minicpmo_duplex.voice import TurnVoice


@dataclass(frozen=True, slots=True)
class Unit:
    """What came of a second. `number` counts from 1 in the session.

    `ids` are the tokens of its words, with what ends the turn; `text` is what they add to the turn's text. `sound` is
    float32 (N,) at 24 kHz. `speak_probability`: of `<|speak|>` and `<|listen|>`, how likely the first was at the
    second's start. `used` positions are remembered at its end.
    """

    number: int
    listens: bool
    ids: tuple[int, ...]
    text: str
    sound: np.ndarray | None
    ends_turn: bool
    speak_probability: float
    used: int
    times: StageTimes


class DuplexModel:
    """The parts of a loaded model in duplex. Call `begin`, then `unit` once for each second; from one thread.

    `start_threshold`: a turn begins where `<|speak|>` is at least this likely, of `<|speak|>` and `<|listen|>`; 0: as
    the model's own sampling has it. `reference` (N,) float32 at 16 kHz is the voice that it is told to speak in.
    """

    def __init__(
        self,
        loaded: Loaded,
        decoder: UnitDecoder,
        hearing: StreamingHearing,
        tokens: DuplexTokens,
        vision: Vision | None = None,
        voice: TurnVoice | None = None,
        start_threshold: float = 0.0,
        max_slice_nums: int = 1,
    ) -> None:
        self.loaded, self.decoder, self.hearing = loaded, decoder, hearing
        self.vision, self.voice = vision, voice
        self._tokens, self._threshold, self._slices = tokens, start_threshold, max_slice_nums
        self._tokenizer = loaded.processor.tokenizer
        self._reference = self._encode_reference()
        self._forget_turn()
        self._number = 0

    @property
    def dtype(self) -> torch.dtype:
        """The language model's type of numbers."""
        return self.loaded.model.llm.model.norm.weight.dtype

    @torch.inference_mode()
    def begin(self, instructions: str) -> None:
        """Begin a session with these instructions, which are plain text; forget the one before."""
        self.decoder.begin()
        self.hearing.begin()
        self._forget_turn()
        self._number = 0
        words = without_marks(instructions, self._tokenizer)
        parts = [self._words(f"<|im_start|>system\n{words}\n")]
        if self._reference is not None:
            parts += [self._words(AUDIO_START), self._reference, self._words(AUDIO_END)]
        self.decoder.take(torch.cat([*parts, self._words("<|im_end|>")]))
        self.decoder.keep()

    @torch.inference_mode()
    def unit(self, frames: Sequence[Frame], samples: np.ndarray, cancel: bool = False) -> Unit:
        """Return what comes of the next second: its pictures, none or one as a rule, and its sound (N,) at 16 kHz.

        `cancel`: end the turn in which the model is, and listen.
        """
        clock = StageClock(self.loaded.device)
        self._number += 1
        started_at = self.decoder.used
        # 1) what is seen and heard
        with clock.stage("vision"):
            seen = self._see(frames) if frames else []
            heard = self.hearing.push(samples)
        # 2) into the language model
        with clock.stage("prefill"):
            self.decoder.take(torch.cat([self.decoder.embed(self._tokens.unit), *seen, heard.to(self.dtype)]))
            likely = self.decoder.speak_probability()
        # 3) its decision and its words
        with clock.stage("decode"):
            ids, hiddens, listens, turn_over = self._decide(likely, cancel)
            self.decoder.force(self._tokens.unit_end)
            self.decoder.end_unit(started_at)
        # 4) its sound
        text, sound = "", None
        if cancel:
            self._forget_turn()
        elif not listens:
            text = self._text.push(*ids)
            if self.voice is not None:
                hidden = torch.cat(hiddens) if hiddens else heard[:0]
                sound = self.voice.say(ids, hidden, turn_over, clock.stage)
            if turn_over:
                text += self._text.rest()
                self._text = TextStream(self._tokenizer)
        return Unit(
            self._number, listens, tuple(ids), text, sound, turn_over, likely, self.decoder.used, clock.times
        )

    def capture_new_shapes(self) -> None:
        """Capture graphs for lengths that were new; the session is forgotten, so call `begin` afterwards."""
        for part in (self.decoder, self.vision):
            if part is not None:
                part.capture_new_shapes()
        self.hearing.capture()
        if self.voice is not None:
            self.voice.talker.capture_new_shapes()

    def _decide(self, likely: float, cancel: bool) -> tuple[list[int], list[Tensor], bool, bool]:
        """Return the tokens of a second's words, their hidden states (1, D), whether it listens, and ends the turn."""
        tokens, decoder = self._tokens, self.decoder
        # 1) a turn that is cancelled is closed; one that begins must be likely enough
        forced = None
        if cancel:
            if self._in_turn:
                decoder.force(tokens.turn_end)
            forced = tokens.listen
        elif self._threshold > 0 and not self._in_turn:
            forced = tokens.speak if likely >= self._threshold else tokens.listen
        was_in_turn, self._in_turn = self._in_turn, self._in_turn and not cancel
        # 2) tokens until one ends the second; the first only says that it speaks
        ids: list[int] = []
        hiddens: list[Tensor] = []
        token, ended = -1, False
        for number in range(MAX_UNIT_TOKENS):
            if number == MAX_UNIT_TOKENS - 1:
                token = tokens.chunk_end
                decoder.force(token)
                break
            if number == 0 and forced is not None:
                token = forced
                decoder.force(token)
            else:
                token = decoder.pick(self._in_turn)
            if token in tokens.ends_unit:
                break
            ended = token == tokens.turn_end
            self._in_turn = not ended
            if number:
                ids.append(token)
                hiddens.append(decoder.hidden())
        # 3) a turn that ended and after which it listens was spoken all the same
        spoken = was_in_turn or bool(ids)
        listens = token == tokens.listen and (cancel or not (ended and spoken))
        return ids, hiddens, listens, ended and not listens

    def _forget_turn(self) -> None:
        self._in_turn = False
        self._text = TextStream(self._tokenizer)
        if self.voice is not None:
            self.voice.begin()

    def _words(self, text: str) -> Tensor:
        """Return the embeddings (n, H) of a text, whose marks are control tokens."""
        return self.decoder.embed(*self._tokenizer.encode(text, add_special_tokens=False))

    def _encode_reference(self) -> Tensor | None:
        """Return the embeddings (n, H) of the recording of the voice; None where it has no voice."""
        if self.voice is None or self.loaded.reference is None:
            return None
        hearing = Hearing(self.loaded.model, self.loaded.processor.audio_processor)
        heard = hearing.encode(AudioChunk(self.loaded.reference, RATE_HZ))
        return None if heard is None else heard.to(self.dtype)

    def _see(self, frames: Sequence[Frame]) -> list[Tensor]:
        """Return the embeddings of pictures with their marks, (n, H) each, one after the other."""
        tokens, embed = self._tokens, self.decoder.embed
        size = self.vision.common_size(frames, self._slices) if self.vision is not None else None
        if self.vision is not None and size is not None:
            tiles = self.vision.encode(frames).to(self.dtype).chunk(len(frames))
            counts = [1] * len(frames)
        else:
            tiles, counts = self._see_by_own_code(frames)
        parts: list[Tensor] = []
        left = iter(tiles)
        for count in counts:
            parts += [embed(tokens.image), next(left), embed(tokens.image_end)]
            for _ in range(count - 1):
                parts += [embed(tokens.slice), next(left), embed(tokens.slice_end)]
        return parts

    def _see_by_own_code(self, frames: Sequence[Frame]) -> tuple[list[Tensor], list[int]]:
        """Return the embeddings of all tiles, (queries, H) each, and how many tiles each picture has."""
        from PIL import Image

        model, processor = self.loaded.model, self.loaded.processor
        pictures: list[Any] = [Image.fromarray(frame.image) for frame in frames]
        inputs = processor.process_image(pictures, max_slice_nums=self._slices).to(self.loaded.device)
        tiles = model.get_vision_embedding(inputs)[0]  # (tiles, queries, H)
        grids = [
            processor.image_processor.get_sliced_grid(picture.size, self._slices) for picture in pictures
        ]
        return list(tiles.to(self.dtype)), [1 if grid is None else 1 + grid[0] * grid[1] for grid in grids]
