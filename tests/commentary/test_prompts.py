"""Prompt profiles, and the prompt of one cycle."""

from __future__ import annotations

import pytest

from commentator_lib.commentary.asking import comment_request, judged_request
from commentator_lib.commentary.prompts import build_prompt
from commentator_lib.events import Facts
from commentator_lib.profiles import PROFILES
from commentator_lib.settings import load_settings


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


@pytest.mark.parametrize("language", ["", "fr"])
def test_role_and_task_make_up_the_prompt(language):
    settings = load_settings(environment={})
    frames, facts = (), Facts()
    first = comment_request(frames, facts, settings, "sports", "Who wins?", "", "normal", language=language)
    second = comment_request(
        frames,
        facts,
        settings,
        "sports",
        "Who leads?",
        "A goal.",
        "brief",
        language=language,
        question="Why?",
    )
    assert first.role == second.role and "exactly ..." in first.role
    assert ("French" in first.role) == (language == "fr")
    for request in (first, second):
        assert request.prompt == f"{request.role}\n{request.task}" and request.task
    assert "A goal." in second.task and "A goal." not in second.role


@pytest.mark.parametrize(
    ("rule", "has_role"), [("first-token", True), ("perplexity", True), ("yes-no", False)]
)
def test_a_judged_request_has_a_role_where_its_prompt_has_one(rule, has_role):
    settings = load_settings(environment={})
    request = judged_request(rule, (), Facts(), settings, "sports", "Who wins?", "A goal.", "normal")
    assert bool(request.role) == has_role
    assert request.task and (request.prompt == f"{request.role}\n{request.task}") == has_role


def test_length_hints():
    lengths = {k: build_prompt("general", "x", "", k) for k in ("minimal", "brief", "normal")}
    assert len(set(lengths.values())) == 3
    assert "a few words" in lengths["minimal"] and "one short sentence" in lengths["brief"]


def test_unknown_profile():
    with pytest.raises(KeyError):
        build_prompt("sport", "x")
