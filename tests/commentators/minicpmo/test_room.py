"""How many positions are recorded for a prompt and its comment, and what is said where they do not suffice."""

from __future__ import annotations

import copy
import dataclasses

import pytest

from tests.commentators.minicpmo.conftest import request, text_of

pytest.importorskip("torch")
pytest.importorskip("transformers")

from commentator_lib.commentators.minicpmo.engine import prompt_room
from commentator_lib.presets import PRESETS
from commentator_lib.settings import Settings

LONGEST_WORDS = 190  # tokens around the pictures, with this project's profiles


@pytest.mark.parametrize("speech", [True, False])
@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_fits_into_what_is_recorded(preset, speech):
    settings = Settings(**PRESETS[preset], speech=speech)
    needed = settings.frames_per_inference * 66 + LONGEST_WORDS + settings.max_new_tokens
    assert needed <= prompt_room(settings) <= 2048


def test_the_default_takes_no_more_than_before():
    assert prompt_room(Settings()) == 1024


@pytest.mark.parametrize(
    "more", [{"frames_per_inference": 10}, {"max_slice_nums": 9}, {"hear": True, "frames_per_inference": 10}]
)
def test_more_of_anything_gives_more_room(more):
    assert 1024 < prompt_room(Settings(speech=False, **more)) <= 8192


def test_a_comment_beyond_it_is_made_without_graphs_and_said_once(loaded, monkeypatch, caplog):
    engine = loaded.engine
    usual = text_of(loaded.comment(request(6, speech=False)))
    recorded = copy.copy(engine.writer)  # as if it had graphs
    monkeypatch.setattr(
        recorded, "generate", lambda *a, **k: pytest.fail("it has no room for this"), raising=False
    )
    monkeypatch.setattr(loaded, "_engine", dataclasses.replace(engine, writer=recorded, room=10))
    monkeypatch.setattr(loaded, "_told_of_room", False)
    for _ in range(2):
        assert text_of(loaded.comment(request(6, speech=False))) == usual
    (notice,) = [record.getMessage() for record in caplog.records if "positions" in record.getMessage()]
    assert "10 are recorded" in notice
