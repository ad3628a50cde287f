"""Launching Triton's kernels."""

from __future__ import annotations

from typing import Any


def launch(kernel: Any, grid: tuple[int, ...], *arguments: object, **options: object) -> None:
    """Run `kernel`, a function under @triton.jit, as `grid` programs.

    In one place, because a type checker without Triton takes a kernel for a plain function, which cannot be
    subscripted.
    """
    kernel[grid](*arguments, **options)
