"""Prompt profiles, and the prompt of one cycle."""

from __future__ import annotations

import pytest

from commentator_lib.commentary.prompts import build_prompt
from commentator_lib.profiles import PROFILES


def test_the_five_profiles():
    assert set(PROFILES) == {"general", "sports", "security", "nature", "descriptive"}


@pytest.mark.parametrize("profile", PROFILES)
def test_every_profile_tells_how_to_say_nothing(profile):
    prompt = build_prompt(profile, PROFILES[profile].instruction)
    assert (
        "exactly ..." in prompt
        and PROFILES[profile].role in prompt
        and PROFILES[profile].instruction in prompt
    )


def test_last_comment_is_carried_unless_it_said_nothing():
    assert '"A goal!"' in build_prompt("sports", "x", " A goal! ")
    for nothing in ("", "...", " ... "):
        assert "just said" not in build_prompt("sports", "x", nothing)


@pytest.mark.parametrize("profile", PROFILES)
def test_rules_stand_in_the_fixed_part_whatever_changes(profile):
    prompt = build_prompt(profile, "birds", "A car.", "minimal")
    fixed, carried, hint, watch = prompt.split("\n")
    assert "never say the same thing twice" in fixed and "exactly ..." in fixed
    assert carried == 'You have just said: "A car."' and watch == "Watch for this: birds"
    assert "a few words" in hint


def test_fixed_part_comes_first_so_that_it_can_be_cached():
    a = build_prompt("general", "birds", "A car.", "brief")
    b = build_prompt("general", "cars", "", "minimal")
    assert a.split("\n")[0] == b.split("\n")[0]


def test_length_hints():
    lengths = {k: build_prompt("general", "x", "", k) for k in ("minimal", "brief", "normal")}
    assert len(set(lengths.values())) == 3
    assert "a few words" in lengths["minimal"] and "one short sentence" in lengths["brief"]


def test_unknown_profile():
    with pytest.raises(KeyError):
        build_prompt("sport", "x")
