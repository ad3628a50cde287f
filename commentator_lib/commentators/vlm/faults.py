"""Say in one line why a model could not be loaded: errors of other libraries wrap the one that matters in others."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

from commentator_lib.commentators.torch_tools import out_of_memory
from commentator_lib.commentators.vlm.loading import EXAMPLES
from commentator_lib.commentators.weights import first_sentence

INSTALL = "pip install 'commentator-lib[vlm]'"


def last_cause(error: BaseException) -> BaseException:
    """Return the error with which a chain of errors began; the error itself where nothing caused it.

    >>> try:
    ...     try:
    ...         {}["torchvision"]
    ...     except KeyError as inner:
    ...         raise ImportError("no processor") from inner
    ... except ImportError as outer:
    ...     last_cause(outer)
    KeyError('torchvision')
    """
    known = {id(error)}
    while True:
        before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        if before is None or id(before) in known:
            return error
        known.add(id(before))
        error = before


def loading_problem(folder: Path, error: BaseException, transformers_version: str) -> str:
    """Return one line for what loading a model from `folder` raised: what it was, its last cause, and a fix."""
    if out_of_memory(error):
        return (
            f"the memory is too small for {folder} ({first_sentence(error)}): end what else uses it, or set "
            "model_path to a smaller model"
        )
    cause = last_cause(error)
    if unfit := _torchvision_that_does_not_fit(cause):
        return f"{folder} needs torchvision, and {unfit}"
    if isinstance(cause, ImportError):
        return f"{folder} needs a package that is not here: {first_sentence(cause)}; {INSTALL}"
    words = f"{type(error).__name__}: {first_sentence(error)}"
    if cause is not error:
        words += f"; the cause is {type(cause).__name__}: {first_sentence(cause)}"
    return (
        f"{folder} cannot be run with transformers {transformers_version} ({words}): download it again, or set "
        f"model_path to a model such as {EXAMPLES}"
    )


def _torchvision_that_does_not_fit(cause: BaseException) -> str:
    """Return what is wrong with torchvision, if its compiled part and PyTorch's do not go together, else "".

    Then the first use of one of its operators fails, or its library cannot be loaded.
    """
    text = str(cause)
    if "torchvision::" not in text and not ("torchvision" in text and "undefined symbol" in text):
        return ""
    versions = {name: importlib.metadata.version(name) for name in ("torch", "torchvision")}
    return (
        f"torchvision {versions['torchvision']} does not fit PyTorch {versions['torch']} ({first_sentence(cause)}): "
        "install the two together, from one index"
    )
