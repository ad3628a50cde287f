"""Quiet loading restores the former state, and errors that mean too little memory are recognised."""

from __future__ import annotations

import subprocess
import sys

import pytest

from commentator_lib.commentators.torch_tools import out_of_memory, quietly

transformers = pytest.importorskip("transformers")


@pytest.mark.parametrize("bars_before", (True, False))
@pytest.mark.parametrize("progress_bars", (True, False))
def test_transformers_says_nothing_meanwhile_and_what_it_said_before_afterwards(bars_before, progress_bars):
    logging = transformers.utils.logging
    before, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    try:
        logging.set_verbosity_info()
        (logging.enable_progress_bar if bars_before else logging.disable_progress_bar)()
        with pytest.raises(KeyError), quietly(progress_bars):
            assert logging.get_verbosity() == logging.ERROR
            assert logging.is_progress_bar_enabled() == (bars_before and progress_bars)
            raise KeyError
        assert logging.get_verbosity() == logging.INFO and logging.is_progress_bar_enabled() == bars_before
    finally:
        logging.set_verbosity(before)
        (logging.enable_progress_bar if bars else logging.disable_progress_bar)()


def test_the_tools_import_no_library():
    code = (
        "import sys, commentator_lib.commentators.torch_tools as t; t.free_gpu(); "
        "assert not t.out_of_memory(RuntimeError()); assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_what_is_no_lack_of_memory():
    assert not out_of_memory(RuntimeError("shapes do not fit")) and not out_of_memory(
        OSError("out of memory")
    )
    assert out_of_memory(RuntimeError("CUDA error: out of memory"))
