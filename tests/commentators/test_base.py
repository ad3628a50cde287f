"""The values that a commentator gives: chunks and the times of its stages."""

from __future__ import annotations

import dataclasses

import pytest

from commentator_lib.commentators.base import MODEL_STAGES, CommentChunk, StageTimes
from commentator_lib.runs.record import CycleRecord


def test_stage_times_are_named_as_the_stages_and_as_the_columns_of_the_log():
    names = [field.name for field in dataclasses.fields(StageTimes)]
    assert names == [f"{stage}_s" for stage in MODEL_STAGES]
    assert set(names) <= {field.name for field in dataclasses.fields(CycleRecord)}


def test_stage_times_of_a_mapping():
    assert StageTimes.from_mapping({"decode": 0.5}) == StageTimes(decode_s=0.5)
    with pytest.raises(TypeError, match="thinking_s"):
        StageTimes.from_mapping({"thinking": 1.0})


def test_record_keeps_the_stages_that_a_later_chunk_does_not_measure():
    record = CycleRecord(1)
    record.set_stage_times(StageTimes(preprocess_s=0.1, vision_s=0.2, prefill_s=0.3, decode_s=0.0))
    record.set_stage_times(StageTimes(decode_s=0.4, talker_s=0.5, vocoder_s=0.6))
    got = [getattr(record, f"{stage}_s") for stage in MODEL_STAGES]
    assert got == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])


def test_chunk_takes_the_old_name_of_its_stage_times_with_a_warning():
    with pytest.warns(DeprecationWarning, match="stage_s is now stage_times"):
        chunk = CommentChunk("Well.", stage_s={"decode": 0.5})
    assert chunk.stage_times == StageTimes(decode_s=0.5)
    assert dataclasses.replace(chunk, text="Now.").stage_times == StageTimes(decode_s=0.5)
