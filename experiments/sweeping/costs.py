"""How long a commentator takes for a comment, as a function of image tokens and output tokens.

A what-if run runs no model, so its times come from a file in `experiments/costs/`, which says where its numbers are
from. Frames, stride and token cap change the times only by these two numbers of tokens.

`python -m experiments.calibrate` writes such a file from the logs of real runs.
"""

from __future__ import annotations

import dataclasses
import random
import tomllib
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from experiments.errors import UserError

_OLD_NAMES = {"basic_eye_epyc": "baseline_epyc"}
COSTS = Path(__file__).resolve().parents[1] / "costs"
Number = TypeVar("Number", float, np.ndarray)  # one comment, or an array (N,) of them
_SMALLEST_SHARE = 0.2  # a sampled time is never below this share of its mean


class CostError(UserError):
    """A cost file that cannot be used."""


@dataclass(frozen=True, slots=True)
class TokenCost:
    """A cost that is linear in tokens; each `spread` is the standard deviation of the residuals.

    first sound  = first_sound_s + first_sound_per_image_token_s · image tokens
    end          = generated_s + generated_per_image_token_s · image tokens
                   + generated_per_output_token_s · output tokens, and never before the first sound
    speech       = speech_per_output_token_s · output tokens

    All times are in seconds from the start of inference; speech is the length of the voice in seconds. `source` says
    what was measured, on what machine, and what is assumed.
    """

    source: str
    image_tokens_per_frame: float
    first_sound_s: float
    first_sound_per_image_token_s: float
    first_sound_spread_s: float
    generated_s: float
    generated_per_image_token_s: float
    generated_per_output_token_s: float
    generated_spread_s: float
    speech_per_output_token_s: float

    def first_sound_mean_s(self, image_tokens: Number) -> Number:
        return self.first_sound_s + self.first_sound_per_image_token_s * image_tokens

    def generated_mean_s(self, image_tokens: Number, output_tokens: Number) -> Number:
        return (
            self.generated_s
            + self.generated_per_image_token_s * image_tokens
            + self.generated_per_output_token_s * output_tokens
        )

    def sample(self, rng: random.Random, image_tokens: float, output_tokens: int) -> tuple[float, float]:
        """Return random times of one comment: (first sound, end of generation), seconds from the start of inference."""
        first_mean_s = self.first_sound_mean_s(image_tokens)
        end_mean_s = self.generated_mean_s(image_tokens, output_tokens)
        first_s = max(_SMALLEST_SHARE * first_mean_s, rng.gauss(first_mean_s, self.first_sound_spread_s))
        end_s = max(_SMALLEST_SHARE * end_mean_s, rng.gauss(end_mean_s, self.generated_spread_s))
        return first_s, max(first_s, end_s)


def load_cost(name: str) -> TokenCost:
    """Read a cost file, given by its path or by the name of a shipped one. Raise CostError where it cannot be used."""
    if name in _OLD_NAMES:
        warnings.warn(
            f"the cost {name} is now {_OLD_NAMES[name]}; the old name goes with the next version",
            DeprecationWarning,
            stacklevel=2,
        )
        name = _OLD_NAMES[name]
    path = Path(name) if name.endswith(".toml") else COSTS / f"{name}.toml"
    if "\0" in name:
        raise CostError("the name of a cost file has a NUL character")
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        known = ", ".join(sorted(p.stem for p in COSTS.glob("*.toml")))
        raise CostError(f"cannot read the cost file {path}: {error.strerror}; shipped are {known}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CostError(f"{path} is not valid TOML: {error}") from None
    names = [field.name for field in dataclasses.fields(TokenCost)]
    if wrong := sorted(set(table) ^ set(names)):
        raise CostError(f"{path}: {', '.join(wrong)} is missing or not known; a cost has {', '.join(names)}")
    for name in names[1:]:
        value = table[name]
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e6:
            raise CostError(f"{path}: {name} = {value!r} must be a number that is not negative")
    return TokenCost(**table)


def save_cost(cost: TokenCost, path: Path) -> None:
    """Write a file that `load_cost` reads back."""
    import tomli_w

    path.write_text(tomli_w.dumps(dataclasses.asdict(cost)), encoding="utf-8")
