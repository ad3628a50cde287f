"""How much GPU memory MiniCPM-o needs, and the message where there is less."""

from __future__ import annotations

from dataclasses import replace

import pytest

from commentator_lib.commentators.minicpmo import memory_budget
from commentator_lib.commentators.minicpmo.checkpoint import (
    AWQ_HUB_ID,
    PUBLISHED_AWQ,
    PUBLISHED_BF16,
    inspect_checkpoint,
)
from commentator_lib.commentators.minicpmo.memory_budget import explain_missing_memory, needed_bytes
from tests.commentators.minicpmo.checkpoint_files import make_checkpoint


def test_needed_memory_leaves_out_what_is_not_loaded(tmp_path):
    checkpoint = inspect_checkpoint(make_checkpoint(tmp_path / "model"))
    silent, speaking = needed_bytes(checkpoint, False), needed_bytes(checkpoint, True)
    assert silent == 160 + 64 + 24 + 4 + 1_500_000_000
    assert speaking - silent == 40 + 2_800_000_000
    assert needed_bytes(checkpoint, False, hear=True) - silent == 16 + 8  # apm and its projection


def test_published_checkpoints_come_near_what_was_measured():
    assert needed_bytes(PUBLISHED_BF16, True) == pytest.approx(20.7 * 2**30, rel=0.02)  # peak on an H100
    weights = sum(size for part, size in PUBLISHED_BF16.part_bytes.items() if part != "audio_encoder")
    assert weights == pytest.approx(17.0 * 2**30, rel=0.02)
    assert needed_bytes(PUBLISHED_AWQ, False) == pytest.approx(8.6e9, rel=0.01)
    assert 8.5e9 < needed_bytes(PUBLISHED_AWQ, True, shrink=True) < 9.5e9 < needed_bytes(PUBLISHED_AWQ, True)
    assert needed_bytes(PUBLISHED_BF16, True, shrink=True) == needed_bytes(PUBLISHED_BF16, True)


GB = 1_000_000_000
MEMORY = {  # checkpoint, speech, free and total GB: what the line holds, what it does not
    "fits": (PUBLISHED_BF16, True, 80, 80, None, ()),
    "another program": (PUBLISHED_BF16, True, 15, 80, ("end what else holds 65.0 GB", AWQ_HUB_ID), ("vlm",)),
    "without speech": (PUBLISHED_BF16, True, 20, 20, ("speech=false", AWQ_HUB_ID), ("end what",)),
    "awq with speech": (PUBLISHED_BF16, True, 15, 16, (AWQ_HUB_ID, "with"), ("speech=false", "end what")),
    "awq without": (PUBLISHED_BF16, True, 10, 10, (AWQ_HUB_ID,), ("GB with)", "speech=false")),
    "no speech at all": (
        PUBLISHED_BF16,
        False,
        16,
        16,
        (AWQ_HUB_ID, "without speech needs"),
        ("speech=false",),
    ),
    "awq, no speech": (PUBLISHED_AWQ, True, 11, 11, ("speech=false",), (AWQ_HUB_ID, "vlm")),
    "nothing": (PUBLISHED_AWQ, True, 4, 4, ("commentator=vlm", "openai", "baseline"), ("speech=false",)),
}


@pytest.mark.parametrize("case", MEMORY)
def test_too_little_memory_says_what_would_fit(case):
    checkpoint, speech, free, total, words, others = MEMORY[case]
    line = explain_missing_memory(checkpoint, speech, free * GB, total * GB)
    if words is None:
        assert line == ""
        return
    assert "\n" not in line and f"{free}.0 GB of {total}.0 GB is free" in line
    assert all(word in line for word in words), line
    assert not any(word in line for word in others), line


@pytest.mark.parametrize(
    ("capability", "triton", "compiler", "can"),
    [
        ((8, 0), True, True, True),
        ((7, 5), True, True, False),
        ((9, 0), False, True, False),
        ((9, 0), True, False, False),
    ],
)
def test_four_bits_are_made_smaller_where_all_is_there_that_the_kernels_need(
    monkeypatch, capability, triton, compiler, can
):
    monkeypatch.setattr(
        memory_budget, "find_spec", lambda name: object() if triton and name == "triton" else None
    )
    monkeypatch.setattr(
        memory_budget.shutil, "which", lambda name: "/usr/bin/gcc" if compiler and name == "gcc" else None
    )
    assert memory_budget.can_shrink(capability) is can


def test_four_bits_with_speech_fit_where_they_are_made_smaller():
    assert explain_missing_memory(PUBLISHED_AWQ, True, 10 * GB, 10 * GB, shrink=True) == ""
    line = explain_missing_memory(PUBLISHED_BF16, True, 10 * GB, 10 * GB, shrink=True)
    assert "about 8.6 GB without speech, 9.3 GB with" in line


def test_hearing_is_counted_and_given_up_first():
    more = needed_bytes(PUBLISHED_AWQ, True, hear=True) - needed_bytes(PUBLISHED_AWQ, True)
    assert more == PUBLISHED_AWQ.part_bytes["audio_encoder"]
    free = needed_bytes(PUBLISHED_AWQ, True)
    assert explain_missing_memory(PUBLISHED_AWQ, True, free, free) == ""
    line = explain_missing_memory(PUBLISHED_AWQ, True, free, free, hear=True)
    assert "set hear=false" in line and "\n" not in line
    assert "hear=false" not in explain_missing_memory(PUBLISHED_AWQ, True, 4 * GB, 4 * GB, hear=True)


def test_memory_that_just_fits_and_just_does_not(tmp_path):
    tiny = replace(PUBLISHED_AWQ, part_bytes={"llm": 5})
    needed = needed_bytes(tiny, True)
    assert explain_missing_memory(tiny, True, needed, needed) == ""
    assert explain_missing_memory(tiny, True, needed - 1, needed - 1) != ""
