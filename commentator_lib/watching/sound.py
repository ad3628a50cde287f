"""Listen to the programme's sound: swells, gasps, whistles, silence and speech.

Kinds of event: "swell" (importance 2; `rise_db`), "gasp" (importance 1; `rise_db`), "whistle" (importance 2; `length_s`
and `blasts` so far), "silence" and "speech" (importance 0). The parts that decide are in loudness.py, whistles.py and
speech.py.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

import numpy as np

from commentator_lib.events import Event
from commentator_lib.media import AudioChunk
from commentator_lib.watching.base import Watcher
from commentator_lib.watching.loudness import LEVEL_HZ, NOISE_HZ, LoudnessFollower, noise_db
from commentator_lib.watching.spectra import HOP_S, WINDOW_S, FrameCutter, Spectra, decibels
from commentator_lib.watching.speech import ENVELOPE_HZ, LOOKED_AT, is_speech, voices
from commentator_lib.watching.whistles import Tones, WhistleFinder, find_tones

_SPEECH_EVERY = round(0.24 / HOP_S)  # frames
_SPEECH_ENDS = 4  # judgements in a row without speech


class SoundWatcher(Watcher):
    """Reports what is heard. Pieces of any length and rate will do."""

    name = "sound"

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything: the source has jumped back, or another one follows."""
        self._cutter = FrameCutter()
        self._loudness = LoudnessFollower()
        self._whistles = WhistleFinder()
        self._voices: deque[tuple[float, float, float]] = deque(maxlen=LOOKED_AT)  # harmonicity, pitch, power
        self._frames = 0
        self._speaks = False
        self._quiet = 0
        self._heard_any = False

    def listen(self, sound: AudioChunk) -> list[Event]:
        """Listen to the next piece of sound; return the events that are certain now."""
        # 1) Start again where the source has jumped back.
        if sound.from_s is not None and self._heard_any and sound.from_s < self._cutter.end_s - 0.25:
            self.reset()
        if len(sound.samples) == 0 or sound.sample_rate_hz <= 0:
            return []
        self._heard_any = True
        # 2) Long pieces are taken in parts, so that the samples of every frame are still at hand.
        part, begin_s = max(1, sound.sample_rate_hz // 4), sound.from_s
        events: list[Event] = []
        for first in range(0, len(sound.samples), part):
            from_s = None if begin_s is None else begin_s + first / sound.sample_rate_hz
            piece = AudioChunk(sound.samples[first : first + part], sound.sample_rate_hz, from_s)
            events += self._listen_to(piece)
        return events

    def on_screen(self) -> Mapping[str, Any]:
        """Return `speech`: True while somebody speaks."""
        return {"speech": True} if self._speaks else {}

    def _listen_to(self, piece: AudioChunk) -> list[Event]:
        # 1) The spectra of the frames that are complete, and what is measured of all of them at once.
        spectra = self._cutter.push(piece)
        if len(spectra.times_s) == 0:
            return []
        tones, (harmonicity, pitch_hz) = find_tones(spectra), voices(spectra)
        level_db, voice = decibels(spectra.band(*LEVEL_HZ)), spectra.band(*ENVELOPE_HZ)
        first, last = np.searchsorted(spectra.hz, NOISE_HZ)
        noise = spectra.power[:, first:last]  # (N, bins)
        mean_db = noise_db(noise)
        events: list[Event] = []
        for k, from_s in enumerate(spectra.times_s):
            # 2) Swell, gasp and silence.
            now_s = float(from_s) + WINDOW_S
            self._loudness.push(float(from_s), float(level_db[k]), float(mean_db[k]), noise[k])
            events += self._follow_loudness(now_s)
            # 3) Whistles.
            events += self._follow_tone(spectra, tones, k)
            # 4) Speech, now and then.
            self._voices.append((float(harmonicity[k]), float(pitch_hz[k]), float(voice[k])))
            self._frames += 1
            if self._frames % _SPEECH_EVERY == 0:
                events += self._judge_speech(now_s)
        return events

    def _follow_loudness(self, now_s: float) -> list[Event]:
        events: list[Event] = []
        if self._frames % 3 == 0 and (swell := self._loudness.swell(now_s)) is not None:
            since_s, rise_db = swell
            events.append(Event("swell", since_s, now_s, 2, facts={"rise_db": round(rise_db, 1)}))
        elif self._frames % 3 == 0 and (gasp := self._loudness.gasp(now_s)) is not None:
            since_s, rise_db = gasp
            facts = {"rise_db": round(rise_db, 1)}
            events.append(Event("gasp", since_s, now_s, 1, certainty=0.8, facts=facts))
        if self._frames % 5 == 0 and (since_s := self._loudness.silence(now_s)) is not None:
            events.append(Event("silence", since_s, now_s, 0))
        return events

    def _follow_tone(self, spectra: Spectra, tones: Tones, k: int) -> list[Event]:
        cutter, from_s = self._cutter, float(spectra.times_s[k])
        blast = self._whistles.push(
            from_s, float(tones.hz[k]), bool(tones.clear[k]), cutter.recent, cutter.rate_hz, cutter.end_s
        )
        if blast is None:
            return []
        facts = {"length_s": round(blast.length_s, 2), "blasts": 1}
        return [
            Event("whistle", blast.from_s + WINDOW_S / 4, from_s + WINDOW_S, 2, certainty=0.9, facts=facts)
        ]

    def _judge_speech(self, now_s: float) -> list[Event]:
        if len(self._voices) < LOOKED_AT // 2:
            return []
        harmonicity, pitch_hz, power = np.array(self._voices).T
        if is_speech(harmonicity, pitch_hz, power, self._speaks):
            self._quiet = 0
            if self._speaks:
                return []
            self._speaks = True
            # It began with the first of these frames that is voiced and followed by others.
            voiced = np.convolve(harmonicity > 0.55, np.ones(10), "full")[9:] >= 5
            first = int(np.argmax(voiced)) if voiced.any() else 0
            return [Event("speech", now_s - (len(harmonicity) - first) * HOP_S, now_s, 0, certainty=0.8)]
        self._quiet += 1
        if self._quiet >= _SPEECH_ENDS:
            self._speaks = False
        return []
