"""How much of a checkpoint was read, from what the system has of it in memory."""

from __future__ import annotations

import mmap
import sys
import threading
import time

import pytest

from commentator_lib.commentators.reading_weights import BytesRead, telling_bytes_read

SIZE = 32_000_000


@pytest.fixture
def files(tmp_path):
    paths = [tmp_path / f"model-{k}-of-2.safetensors" for k in (1, 2)]
    for path in paths:
        path.write_bytes(b"\1" * SIZE)
    return paths


def test_a_file_counts_as_far_as_it_is_in_memory_and_whole_once_it_is_not_mapped_any_more(files):
    first, second = (str(path.resolve()) for path in files)
    progress = BytesRead(files)
    assert progress.total == 2 * SIZE
    assert progress.take({}) == 0
    assert progress.take({first: 10, "other": 99}) == 10
    assert progress.take({first: 4}) == 10  # the system may have taken pages back
    assert progress.take({second: 7}) == SIZE + 7
    assert progress.take({second: 2 * SIZE}) == 2 * SIZE  # whole pages


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell it")
def test_reading_is_told_while_it_gets_on(files):
    told = []
    with telling_bytes_read(files, lambda *said: told.append(said), 0.5):
        with open(files[0], "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            assert sum(mapped[: SIZE // 2 : 4096])
            end_s = time.monotonic() + 20
            while len(told) < 2 and time.monotonic() < end_s:
                time.sleep(0.05)
    assert told[0] == ("reading 0.0 of 64.0 MB", 0.0)
    words, share = told[1]
    assert 0.1 < share <= 0.26 and words == f"reading {share / 0.5 * 64:.1f} of 64.0 MB"
    assert all(thread.name != "loading" for thread in threading.enumerate())


def test_files_of_another_kind_are_told_by_their_size_alone(tmp_path):
    path = tmp_path / "pytorch_model.bin"
    path.write_bytes(bytes(2_500_000))
    told = []
    for files in ([path], []):
        with telling_bytes_read(files, lambda *said: told.append(said), 0.5):
            pass
    assert told == [("reading 2.5 MB", None), ("reading the model", None)]


def test_an_error_of_the_loading_passes_and_ends_the_telling(files):
    with pytest.raises(ValueError, match="broken"), telling_bytes_read(files, lambda *_: None, 0.5):
        raise ValueError("broken")
    assert all(thread.name != "loading" for thread in threading.enumerate())
