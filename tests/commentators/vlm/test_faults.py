"""What is said of a model that could not be loaded: the last cause, in one line."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import pytest

from commentator_lib.commentators.vlm.faults import last_cause, loading_problem

torch = pytest.importorskip("torch")

FOLDER = Path("/models/some")


def chained(*errors, hidden=False):
    """Return the last of these errors, each raised while the one before was handled."""
    try:
        if len(errors) > 1:
            try:
                raise chained(*errors[:-1])
            except type(errors[-2]) as before:
                if hidden:
                    raise errors[-1] from None
                raise errors[-1] from before
        raise errors[-1]
    except type(errors[-1]) as error:
        return error


def test_a_torchvision_that_does_not_fit_is_named_and_not_called_missing(monkeypatch):
    versions = {"torch": "2.13.0+cpu", "torchvision": "0.28.0+cu130"}
    monkeypatch.setattr(importlib.metadata, "version", versions.__getitem__)
    error = chained(
        RuntimeError("operator torchvision::nms does not exist"),
        RuntimeError("Failed to import image_processing_utils_fast because of the following error"),
        ModuleNotFoundError("Could not import module 'AutoProcessor'. Are the requirements met?"),
    )
    assert loading_problem(FOLDER, error, "5.24.0") == (
        "/models/some needs torchvision, and torchvision 0.28.0+cu130 does not fit PyTorch 2.13.0+cpu (operator "
        "torchvision::nms does not exist): install the two together, from one index"
    )


def test_a_package_that_is_missing_below_is_named():
    error = chained(ImportError("No module named 'num2words'"), RuntimeError("Failed to import smolvlm"))
    line = loading_problem(FOLDER, error, "5.24.0")
    assert "needs a package that is not here: No module named 'num2words'; pip install" in line


def test_an_import_that_failed_for_another_reason_is_no_missing_package():
    error = chained(
        OSError("libcudart.so.13: cannot open shared object file"), ImportError("no module\nof that")
    )
    line = loading_problem(FOLDER, error, "5.24.0")
    assert "ImportError: no module; the cause is OSError: libcudart.so.13: cannot open" in line
    assert "not here" not in line and "\n" not in line


def test_a_cause_that_was_hidden_on_purpose_stays_hidden():
    error = chained(KeyError("inner"), ValueError("shapes differ"), hidden=True)
    assert last_cause(error) is error
    assert "(ValueError: shapes differ): download it again" in loading_problem(FOLDER, error, "5.24.0")


def test_causes_in_a_circle_end():
    first, second = ValueError("a"), ValueError("b")
    first.__cause__, second.__cause__ = second, first
    assert last_cause(first) is second


def test_out_of_memory_is_that():
    line = loading_problem(FOLDER, torch.OutOfMemoryError("CUDA out of memory. Tried to allocate"), "5.24.0")
    assert line.startswith("the memory is too small for /models/some (CUDA out of memory)")
