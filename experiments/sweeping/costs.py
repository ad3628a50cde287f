"""What a commentator's answer costs in time, as a function of what goes in and what comes out.

A what-if run computes nothing, so its costs come from a file in `experiments/costs/`, each of which says where
its numbers are from. They are functions of image tokens and output tokens, because frames, stride and token cap
act through those alone.

`python -m experiments.calibrate` makes such a file from the logs of real runs.
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
_LEAST = 0.2  # a draw is never below this share of its mean


class CostError(UserError):
    """A cost file that cannot be used."""


@dataclass(frozen=True, slots=True)
class TokenCost:
    """Linear in tokens; `spread`s are standard deviations of what the line leaves unexplained.

    first sound  = first_sound_s + first_sound_per_image_token_s · image tokens
    end          = generated_s + generated_per_image_token_s · image tokens
                   + generated_per_output_token_s · output tokens, and never before the first sound
    speech       = speech_per_output_token_s · output tokens

    All from the start of inference. `source` says what was measured, on what, and what is assumed.
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

    def draw(self, rng: random.Random, image_tokens: float, output_tokens: int) -> tuple[float, float]:
        """(first sound, end of generation) of one comment, in seconds from the start of inference."""
        first_mean_s = self.first_sound_mean_s(image_tokens)
        end_mean_s = self.generated_mean_s(image_tokens, output_tokens)
        first_s = max(_LEAST * first_mean_s, rng.gauss(first_mean_s, self.first_sound_spread_s))
        end_s = max(_LEAST * end_mean_s, rng.gauss(end_mean_s, self.generated_spread_s))
        return first_s, max(first_s, end_s)


def load_cost(name: str) -> TokenCost:
    """Read a cost file by its path, or by the name of a shipped one. Raise CostError when it is none."""
    if name in _OLD_NAMES:
        warnings.warn(
            f"the cost {name} is now {_OLD_NAMES[name]}; the old name goes with the next version",
            DeprecationWarning,
            stacklevel=2,
        )
        name = _OLD_NAMES[name]
    path = Path(name) if name.endswith(".toml") else COSTS / f"{name}.toml"
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
