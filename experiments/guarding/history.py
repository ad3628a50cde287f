"""Which commit changed a figure: bisection over the commits since its baseline."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from experiments.guarding.checkouts import CODE, git, is_changed_since

UNCOMMITTED = "uncommitted"  # the files as they lie in the checkout


def known_commit(commit: str, file: Path) -> str | None:
    """Return `commit` if git knows it, else (after a rebase) the last one that wrote `file`; None without either."""
    if git("cat-file", "-e", f"{commit}^{{commit}}") is not None:
        return commit
    return git("log", "-1", "--format=%H", "--", str(file)) or None


def steps_since(commit: str) -> list[str]:
    """Return `commit` and the commits after it that changed the code, oldest first, and UNCOMMITTED where that differs.

    The last step is what was measured. Without git there are none.
    """
    later = git("rev-list", "--reverse", f"{commit}..HEAD", "--", *CODE)
    if later is None:
        return []
    return [commit, *later.split(), *([UNCOMMITTED] if is_changed_since("HEAD") else [])]


def first_bad(steps: Sequence[str], is_bad: Callable[[str], bool | None]) -> tuple[int, int]:
    """Return (the last good step, the first bad one) as places in `steps`, of which the first is good, the last bad.

    `is_bad` returns None for a step that cannot be told; it is left out, so that both may lie further apart than one.
    """
    good, bad = 0, len(steps) - 1
    untold: set[int] = set()
    while between := [k for k in range(good + 1, bad) if k not in untold]:
        middle = between[len(between) // 2]
        answer = is_bad(steps[middle])
        if answer is None:
            untold.add(middle)
        elif answer:
            bad = middle
        else:
            good = middle
    return good, bad


def words_of(step: str) -> str:
    """Return a step in words: the short name and the subject of a commit."""
    if step == UNCOMMITTED:
        return "changes that are not committed"
    return git("log", "-1", "--format=%h %s", step) or step
