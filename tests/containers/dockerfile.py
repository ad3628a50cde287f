"""Read a Dockerfile as far as the tests need it: its instructions in order, each (keyword, argument)."""

from __future__ import annotations

import re
from pathlib import Path


def instructions(path: Path) -> list[tuple[str, str]]:
    """Return the instructions of a Dockerfile; comments are left out, continued lines are joined."""
    lines = [
        line for line in path.read_text(encoding="utf-8").splitlines() if not line.lstrip().startswith("#")
    ]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    split = (line.split(maxsplit=1) for line in joined.splitlines() if line.strip())
    return [(keyword.upper(), argument) for keyword, argument in split]


def arguments(path: Path, keyword: str) -> list[str]:
    """Return the arguments of all instructions with this keyword."""
    return [argument for name, argument in instructions(path) if name == keyword]
