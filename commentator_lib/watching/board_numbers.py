"""Read the numbers of a scoreboard in the parts of a picture where they stand."""

from __future__ import annotations

import re

import numpy as np

from commentator_lib.watching.ocr import TextReader
from commentator_lib.watching.score import ADVANTAGE
from commentator_lib.watching.tokens import digits_of

LEAST_CERTAINTY = 0.55
SURE = 0.8  # certainty of digits on a board that only its clock shows to be there, and of another name on it
DIGITS = "0123456789"


def pair_in(reader: TextReader, part: np.ndarray) -> list[int]:
    """Return the two numbers of a pair, such as 2-1, in a part of the picture; [] where it cannot be read.

    Any character is allowed first: where only digits are, a dash over a restless picture becomes one.
    """
    for only in ("", DIGITS + "-–:|/"):
        line = reader.read([part], only)[0]
        match = re.fullmatch(r"\D*(\d{1,3})\D+(\d{1,3})\D*", line.text)
        if match is not None and line.certainty >= LEAST_CERTAINTY:
            return [int(match.group(1)), int(match.group(2))]
    return []


def surely_in(reader: TextReader, part: np.ndarray, count: int) -> list[int]:
    """Return so many numbers in a part of the picture where letters may stand as well; [] where it is not sure."""
    line = reader.read([part])[0]
    numbers = re.findall(r"\d{1,3}", line.text)
    if line.certainty < SURE or len(numbers) != count or any(c.isalpha() for c in line.text):
        return []
    return [int(number) for number in numbers]


def is_padded(text: str) -> bool:
    return len(text) > 1 and text[0] == "0"


def number_in(reader: TextReader, part: np.ndarray, advantage: bool, padded: bool) -> list[int]:
    """Return the number in a part of the picture, as a list of one; [] where there is none.

    `advantage`: AD counts, `padded`: so does 01.
    """
    line = reader.read([part], DIGITS + ("AD" if advantage else ""))[0]
    if line.certainty < LEAST_CERTAINTY:
        return []
    if advantage and line.text in ("A", "AD", "D"):
        return [ADVANTAGE]
    digits = digits_of(line.text)
    return [int(digits)] if 1 <= len(digits) <= 3 and (padded or not is_padded(digits)) else []
