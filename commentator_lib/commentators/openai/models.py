"""The models that a server has, and the one to ask."""

from __future__ import annotations

import difflib
import json
from collections.abc import Sequence

from commentator_lib.commentators.base import CommentatorError


def model_names(status: int, content: bytes) -> list[str] | None:
    """Return the names in a server's list of models; None where it gives no such list."""
    try:
        return [str(entry["id"]) for entry in json.loads(content)["data"]] if status == 200 else None
    except (ValueError, KeyError, TypeError):
        return None


def choose_model(wanted: str, there: Sequence[str] | None, base: str) -> str:
    """Return the model to ask for; `there` None: the server gives no list.

    An empty `wanted` takes the only model. Raise CommentatorError where the server lacks the model, or where there is
    not exactly one to take.
    """
    if not wanted:
        if there and len(there) == 1:
            return there[0]
        known = "it does not list its models" if there is None else f"it has {', '.join(there[:8]) or 'none'}"
        raise CommentatorError(f"set model_path=NAME to a model of {base}: {known}")
    # Ollama lists "name:latest" and takes "name" for it.
    if there is None or wanted in there or f"{wanted}:latest" in there:
        return wanted
    near = difflib.get_close_matches(wanted, there, n=8, cutoff=0.0)
    raise CommentatorError(
        f"{base} has no model {wanted}; it has {', '.join(near) or 'none'}: set model_path=NAME"
    )
