"""What-if runs of a scripted match: tiny pictures, a commentator that is told what happens, costs from a file.

A sweep of a thousand runs cannot decode or infer anything. A programme of random pictures and a commentator
that counts aloud, the obvious stand-ins, answer only questions of timing: no knob could ever miss a goal. So
here the pictures are the match's own, 64×36, and the commentator, a *spotter* with the match's script in its
hand, names an event only if one of the frames it was given shows it. Stride, threshold, frames, capture rate
and token cap then act as they do live: through what is on the frames, and through what tokens cost.

What is assumed of a spotter (how well it recognises, how often it misreads, how much it talks) stands in
`SpotterTraits` and in every sweep file; it is chosen, not measured, and its results are named as scripted.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from commentator_lib.commentary.prompts import LENGTH_HINTS
from commentator_lib.commentators.base import NOTHING_TO_SAY, Commentator, CommentChunk, CommentRequest
from commentator_lib.media import PLAYBACK_RATE_HZ, Frame, silence
from commentator_lib.sources.base import Source, SourceInfo
from experiments.match_clip.events import Event, Truth
from experiments.sweeping.costs import TokenCost

WIDTH, HEIGHT = 64, 36
# Half the rate of the clip: a comment's frame is at most 0.08 s from the one it would have been.
FPS = 12.5
TOKENS_PER_WORD = 1.3
_CHUNK_S = 1.0
_HINT_SHARE = {"minimal": 0.25, "brief": 0.5, "normal": 1.0}

_NAMING = {
    "kick-off": ("And the kick-off by {team}.", "{team} kick off."),
    "shot": ("A shot by {team}!", "{team} shoot!"),
    "goal": ("Goal! Goal for {team}!", "{team} have scored!"),
    "card": ("And that is a card for {team}.", "A booking, {team} number {player}."),
    "substitution": ("A substitution for {team}.", "{team} make a substitution."),
    "corner": ("Corner for {team}.", "A corner to {team} now."),
    "cut": ("Another angle now.",),
    "scoreboard": ("It is {score} now.", "{score}, says the board."),
}
# What fills a comment up. None of it names an event (a test holds it against the rule of `metrics`).
_FILLER = (
    "they pass it along the back",
    "a long ball forward",
    "he looks up and finds the man on the wing",
    "the midfield closes the space",
    "patient play from side to side",
    "a quick one two near the line",
    "the press is on again",
    "he turns away from his man",
    "they win it back in the middle",
    "now it goes wide to the right",
    "and back to the left side",
    "the defence pushes up",
    "a throw deep in their half",
    "he carries it over halfway",
    "two against two for a moment",
    "the crowd is getting louder",
)


@dataclass(frozen=True, slots=True)
class SpotterTraits:
    """Assumptions, not measurements. Shares in [0, 1]; comment lengths are log-normal in tokens."""

    recognise: float = 0.6  # an event on one frame that shows it
    misread: float = 0.02  # naming, in one comment, something that did not happen
    quiet: float = 0.8  # saying "..." where nothing goes on
    median_tokens: float = 30.0
    tokens_sigma: float = 0.7


class Spotter(Commentator):
    """A scripted commentator with the truth in its hand; see the module's head.

    Draws depend on the seed, the event and the frame, not on how often it was called: two settings that
    show it the same frame get the same answer, so that their difference is theirs and not the dice's.
    """

    name = "scripted spotter"
    has_cost_model = True

    def __init__(self, truth: Truth, cost: TokenCost, traits: SpotterTraits, seed: int = 0) -> None:
        self._truth = truth
        self._cost = cost
        self._traits = traits
        self._seed = seed
        self._named: set[int] = set()
        self._fillers_said = 0

    def warm_up(self) -> None:
        pass

    def comment(self, request: CommentRequest) -> Iterator[CommentChunk]:
        rng = random.Random(f"{self._seed}/{request.frames[-1].index}")
        image_tokens = self._cost.image_tokens_per_frame * len(request.frames)
        line = self._line(request, rng)
        tokens = max(1, round(TOKENS_PER_WORD * len(line.split())))
        first_s, end_s = self._cost.draw(rng, image_tokens, tokens)
        if line == NOTHING_TO_SAY:
            yield CommentChunk(line, None, 1, min(first_s, end_s), round(image_tokens))
            return
        speech_s = self._cost.speech_per_output_token_s * tokens
        words = line.split()
        count = max(1, round(speech_s / _CHUNK_S))
        pause_s = (end_s - first_s) / max(1, count - 1)
        edges = [round(len(words) * k / count) for k in range(count + 1)]
        for k in range(count):
            text = " ".join(words[edges[k] : edges[k + 1]]) + " "
            share = round(tokens * (k + 1) / count) - round(tokens * k / count)
            sound = silence(speech_s / count, PLAYBACK_RATE_HZ)
            yield CommentChunk(
                text, sound, share, pause_s if k else first_s, None if k else round(image_tokens)
            )

    def _line(self, request: CommentRequest, rng: random.Random) -> str:
        traits, events = self._traits, self._truth.events
        seen = [k for k, event in enumerate(events) if k not in self._named and self._sees(k, event, request)]
        misread = rng.random() < traits.misread
        if not seen and not misread and not self._action_at(request.frames[-1].pts_s):
            if rng.random() < traits.quiet:
                return NOTHING_TO_SAY
        parts = []
        for k in sorted(seen, key=lambda k: (_URGENCY[events[k].kind], -events[k].t_s))[:2]:
            parts.append(self._naming(events[k], rng))
        self._named.update(seen)
        if misread:
            kind = rng.choice(("shot", "goal", "card", "corner"))
            team = rng.choice(self._truth.teams)
            parts.append(self._naming(Event(kind, 0.0, team=team, player="7"), rng))
        share = _HINT_SHARE[_hint(request.prompt)]
        wanted = share * traits.median_tokens * np.exp(rng.gauss(0.0, traits.tokens_sigma))
        words = " ".join(parts).split()
        while len(words) < max(3.0, wanted) / TOKENS_PER_WORD:
            filler = _FILLER[self._fillers_said % len(_FILLER)]
            self._fillers_said += 1
            words += (filler[:1].upper() + filler[1:] + ".").split()
        return " ".join(
            words[: int(request.max_new_tokens / TOKENS_PER_WORD)]
        )  # the cap cuts in mid-sentence

    def _sees(self, k: int, event: Event, request: CommentRequest) -> bool:
        """Whether one of the frames shows the event and is recognised."""
        for frame in request.frames:
            if event.t_s <= frame.pts_s <= event.t_s + max(event.visible_s, 0.5):
                if random.Random(f"{self._seed}/{k}/{frame.index}").random() < self._traits.recognise:
                    return True
        return False

    def _action_at(self, at_s: float) -> bool:
        return any(x.kind == "action" and x.from_s <= at_s < x.to_s for x in self._truth.stretches)

    @staticmethod
    def _naming(event: Event, rng: random.Random) -> str:
        score = f"{event.score[0]}-{event.score[1]}" if event.score else ""
        return rng.choice(_NAMING[event.kind]).format(team=event.team, player=event.player, score=score)


# What is named first where a frame shows several.
_URGENCY = {
    kind: k
    for k, kind in enumerate(
        ("goal", "card", "shot", "substitution", "scoreboard", "corner", "kick-off", "cut")
    )
}


def _hint(prompt: str) -> str:
    """Which length hint a prompt carries."""
    return next((name for name, text in LENGTH_HINTS.items() if text and text in prompt), "normal")


class TinyMatch(Source):
    """The match as a source of tiny pictures; the same array object for frames of the same picture, which
    the scene tracker knows to be no change."""

    def __init__(self, pictures: np.ndarray, pictures_fps: float, spec: str) -> None:
        self._pictures = list(pictures)
        self._pictures_fps = pictures_fps
        duration_s = len(pictures) / pictures_fps
        self._count = int(duration_s * FPS)
        self._index = 0
        self.problem = ""
        self.skipped = 0
        self.info = SourceInfo(spec, WIDTH, HEIGHT, FPS, duration_s, live=False)

    def read(self, not_before_s: float = 0.0) -> Frame | None:
        due = min(self._count, max(self._index, int(np.ceil(not_before_s * FPS - 1e-6))))
        self.skipped += due - self._index
        self._index = due
        if self._index >= self._count:
            return None
        pts_s = self._index / FPS
        picture = self._pictures[min(len(self._pictures) - 1, int(pts_s * self._pictures_fps + 1e-6))]
        self._index += 1
        return Frame(self._index - 1, pts_s, float("nan"), picture)

    def close(self) -> None:
        pass


PICTURES_FPS = 6.25  # a new tiny picture every other frame: more than any capture rate needs


def tiny_pictures(duration_s: float, seed: int, folder: Path | None = None) -> np.ndarray:
    """(N, 36, 64, 3) uint8: the match's pictures at PICTURES_FPS, drawn once and kept under data/made/."""
    import cv2

    from experiments.match_clip import match

    folder = folder or match.CLIPS_FOLDER
    path = folder / f"tiny-{duration_s:g}s-seed{seed}-v{match.RENDER_VERSION}.npy"
    if path.exists():
        return np.load(path, mmap_mode="r")
    script = match.write_script(duration_s, seed)
    count = int(duration_s * PICTURES_FPS)
    pictures = np.empty((count, HEIGHT, WIDTH, 3), np.uint8)
    for k in range(count):
        image = match.draw(script, round(k / PICTURES_FPS * match.FPS), 2 * WIDTH, 2 * HEIGHT)
        pictures[k] = cv2.resize(image, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    folder.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{random.randrange(1 << 30)}.part")  # two workers may be at it
    with open(part, "wb") as file:
        np.save(file, pictures)
    part.replace(path)
    return pictures
