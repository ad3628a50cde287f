"""What-if runs of a scripted match: tiny pictures, a commentator that knows the truth, costs from a file.

A sweep of a thousand runs has no time to decode video or to run a model. But it must show when a setting makes the
commentator miss a goal. So the pictures are those of the match, at 64×36, and the commentator is a *spotter*: it
knows the match's events, but names one only if a frame that it is given shows it, or a watcher has noticed it.
Stride, threshold, frames, capture rate and token cap then act as they do live: through what the frames show, and
through what tokens cost.

The assumptions about the spotter (how well it recognises, how often it misreads, how much it talks) are in
`SpotterTraits` and can be set in a sweep file. They are chosen, not measured; its runs are labelled as scripted.
"""

from __future__ import annotations

import random
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from commentator_lib.commentary.prompts import LENGTH_HINTS
from commentator_lib.commentators.base import NOTHING_TO_SAY, Commentator, CommentChunk, CommentRequest
from commentator_lib.events import Event as Noticed
from commentator_lib.media import PLAYBACK_RATE_HZ, Frame, silence
from commentator_lib.scene import ClipPictures
from commentator_lib.sources.base import Foreseen, Source, SourceInfo
from experiments.match_clip.events import Event, Truth
from experiments.sweeping.costs import TokenCost

WIDTH, HEIGHT = 64, 36
# Half the frame rate of the clip: a comment's newest frame is at most 0.08 s older than at the clip's own rate.
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
# Words that fill a comment up. None names an event: a test checks them against the rule of `naming`.
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
    """Assumptions about a spotter, not measurements. The first three are probabilities."""

    recognise: float = 0.6  # to recognise an event on one frame that shows it
    misread: float = 0.02  # to name, in one comment, something that did not happen
    quiet: float = 0.8  # to say "..." where nothing happens
    median_tokens: float = 30.0  # length of a comment: log-normal
    tokens_sigma: float = 0.7  # standard deviation of the logarithm of that length


class Spotter(Commentator):
    """A scripted commentator that knows the truth; see the module's docstring.

    Random numbers depend on the seed, the event and the frame, not on the number of calls. Two settings that show it
    the same frame get the same answer, so a difference between them comes from the settings, not from chance.
    """

    name = "scripted spotter"
    has_cost_model = True
    may_repeat = True  # a filler is a filler, whatever its words

    def __init__(self, truth: Truth, cost: TokenCost, traits: SpotterTraits, seed: int = 0) -> None:
        self._truth = truth
        self._cost = cost
        self._traits = traits
        self._seed = seed
        self._named: set[int] = set()
        self._at_s = [event.t_s for event in truth.events]  # rising
        self._until_s = [event.t_s + max(event.visible_s, 0.5) for event in truth.events]
        lengths_s = (until_s - at_s for at_s, until_s in zip(self._at_s, self._until_s, strict=True))
        self._longest_s = max(lengths_s, default=0.0) + 1e-6
        self._fillers_said = 0

    def warm_up(self) -> None:
        pass

    def comment(self, request: CommentRequest) -> Iterator[CommentChunk]:
        # 1) what it says, and how long that takes
        rng = random.Random(f"{self._seed}/{request.frames[-1].index}")
        image_tokens = self._cost.image_tokens_per_frame * len(request.frames)
        line = self._line(request, rng)
        tokens = max(1, round(TOKENS_PER_WORD * len(line.split())))
        first_s, end_s = self._cost.sample(rng, image_tokens, tokens)
        if line == NOTHING_TO_SAY:
            yield CommentChunk(line, None, 1, min(first_s, end_s), round(image_tokens))
            return
        # 2) chunks of about a second of silent sound, evenly from the first sound to the end
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
        """Return what the spotter says: the events that it sees, then filler up to the length that it samples."""
        # 1) what it sees; NOTHING_TO_SAY where that is nothing
        traits, events = self._traits, self._truth.events
        from_s, to_s = request.frames[0].pts_s, request.frames[-1].pts_s
        first, end = bisect_left(self._at_s, from_s - self._longest_s), bisect_right(self._at_s, to_s)
        shown = [k for k in range(first, end) if from_s <= self._until_s[k]]
        seen = [k for k in shown if k not in self._named and self._sees(k, events[k], request)]
        misread = rng.random() < traits.misread
        told = [
            line for event in request.facts.happened if (line := told_line(event, self._truth.teams, rng))
        ]
        if not told and not seen and not misread and not self._action_at(request.frames[-1].pts_s):
            if rng.random() < traits.quiet:
                return NOTHING_TO_SAY
        # 2) name up to two events, and at times one that did not happen
        parts = told[:1]  # what a watcher has noticed comes first
        for k in sorted(seen, key=lambda k: (_URGENCY[events[k].kind], -events[k].t_s))[:2]:
            parts.append(self._naming(events[k], rng))
        self._named.update(seen)
        if misread:
            kind = rng.choice(("shot", "goal", "card", "corner"))
            team = rng.choice(self._truth.teams)
            parts.append(self._naming(Event(kind, 0.0, team=team, player="7"), rng))
        # 3) fill up to the length
        share = _HINT_SHARE[_length_hint(request.prompt)]
        wanted = share * traits.median_tokens * np.exp(rng.gauss(0.0, traits.tokens_sigma))
        words = " ".join(parts).split()
        while len(words) < max(3.0, wanted) / TOKENS_PER_WORD:
            filler = _FILLER[self._fillers_said % len(_FILLER)]
            self._fillers_said += 1
            words += (filler[:1].upper() + filler[1:] + ".").split()
        # the token cap may cut a sentence
        return " ".join(words[: int(request.max_new_tokens / TOKENS_PER_WORD)])

    def _sees(self, k: int, event: Event, request: CommentRequest) -> bool:
        """Return whether one of the frames shows the event, and the spotter recognises it there."""
        for frame in request.frames:
            if event.t_s <= frame.pts_s <= self._until_s[k]:
                if random.Random(f"{self._seed}/{k}/{frame.index}").random() < self._traits.recognise:
                    return True
        return False

    def _action_at(self, at_s: float) -> bool:
        return any(x.kind == "action" and x.from_s <= at_s < x.to_s for x in self._truth.stretches)

    @staticmethod
    def _naming(event: Event, rng: random.Random) -> str:
        score = f"{event.score[0]}-{event.score[1]}" if event.score else ""
        return rng.choice(_NAMING[event.kind]).format(team=event.team, player=event.player, score=score)


def told_line(event: Noticed, teams: Sequence[str], rng: random.Random) -> str:
    """Return how a spotter names what a watcher has noticed; "" where that is no event of a match."""
    if event.kind == "score":
        home, away = event.facts["score"]
        return rng.choice(_NAMING["scoreboard"]).format(score=f"{home}-{away}", team="", player="")
    about = str(event.facts.get("about", ""))
    kind = {"yellow card": "card", "red card": "card"}.get(about, about)
    if event.kind != "caption" or kind not in _NAMING:
        return ""
    text = str(event.facts.get("text", ""))
    team = next((team for team in teams if team in text), "they" if kind != "goal" else "one side")
    player = next((word for word in text.split() if word.isdigit()), "")
    return rng.choice(_NAMING[kind]).format(team=team, player=player, score="")


# The order in which events are named where the frames show several.
_URGENCY = {
    kind: k
    for k, kind in enumerate(
        ("goal", "card", "shot", "substitution", "scoreboard", "corner", "kick-off", "cut")
    )
}


def _length_hint(prompt: str) -> str:
    """Return the name of the length hint that a prompt contains."""
    return next((name for name, text in LENGTH_HINTS.items() if text and text in prompt), "normal")


class TinyMatch(Source):
    """A source of tiny pictures, (N, 36, 64, 3) uint8, of a match; runs that share a `ClipPictures` compare them once.

    Frames of the same picture share one array object, in which the scene tracker sees no change.
    """

    def __init__(self, pictures: ClipPictures | np.ndarray, pictures_fps: float, spec: str) -> None:
        self._clip = pictures if isinstance(pictures, ClipPictures) else ClipPictures(list(pictures))
        self._pictures = self._clip.pictures
        self._pictures_fps = pictures_fps
        duration_s = len(self._pictures) / pictures_fps
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

    def foreseen(self) -> Foreseen:
        pts_s = np.arange(self._count) / FPS
        numbers = np.minimum(len(self._pictures) - 1, (pts_s * self._pictures_fps + 1e-6).astype(int))
        return Foreseen(pts_s, numbers.tolist(), self._clip)


PICTURES_FPS = 6.25  # a new picture every second frame, more often than any capture rate takes one


def tiny_pictures(duration_s: float, seed: int, folder: Path | None = None) -> np.ndarray:
    """Return the match's pictures at PICTURES_FPS, (N, 36, 64, 3) uint8; they are drawn once and kept in data/made/."""
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
    part = path.with_suffix(f".{random.randrange(1 << 30)}.part")  # two workers may draw the same match
    with open(part, "wb") as file:
        np.save(file, pictures)
    part.replace(path)
    return pictures
