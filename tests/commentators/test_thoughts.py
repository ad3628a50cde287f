"""Thoughts, other turns and template marks are left out of an answer, however it is cut; all other text stays."""

from __future__ import annotations

import random

import pytest

from commentator_lib.commentators.thoughts import ThoughtFilter

WORDS = "A red ball rolls over the grass."

# What a model sends → what is to be said.
MARKED = {
    "plain": (WORDS, WORDS),
    "think": (f"<think>hm</think>{WORDS}", WORDS),
    "think on lines": (f"<think>\nlet me see\n</think>\n\n{WORDS}", WORDS),
    "thinking with an attribute": (f'<thinking time="3">a</thinking>{WORDS}', WORDS),
    "thought": (f"<thought>a</thought>\n{WORDS}", WORDS),
    "reasoning": (f"<reasoning>a</reasoning> {WORDS}", WORDS),
    "reflection in thinking": (f"<thinking>a<reflection>b</reflection>c</thinking>{WORDS}", WORDS),
    "seed": (
        f"<seed:think>a<seed:cot_budget_reflect>b</seed:cot_budget_reflect>c</seed:think>{WORDS}<seed:eos>",
        WORDS,
    ),
    "another namespace": (f"<mm:think>a</mm:think>{WORDS}", WORDS),
    "prefixed": (f"<longcat_think>x</longcat_think>{WORDS}", WORDS),
    "square": (f"[THINK]a[/THINK]{WORDS}", WORDS),
    "triangles": (f"◁think▷x◁/think▷{WORDS}", WORDS),
    "begin and end": (
        f"<|begin_of_thought|>a<|end_of_thought|>\n<|begin_of_solution|>{WORDS}<|end_of_solution|>",
        WORDS,
    ),
    "start and end": (
        f"<|START_THINKING|>a<|END_THINKING|><|START_RESPONSE|>{WORDS}<|END_RESPONSE|>",
        WORDS,
    ),
    "channels": (
        f"<|channel|>analysis<|message|>We see.<|end|><|start|>assistant<|channel|>final<|message|>{WORDS}<|return|>",
        WORDS,
    ),
    "channels whose first mark was lost": (
        f"analysis<|message|>We<|end|><|start|>assistant<|channel|>final<|message|>{WORDS}",
        WORDS,
    ),
    "channels whose marks were lost": (f"analysisWe need a line.assistantfinal{WORDS}", WORDS),
    "one-sided channel": (f"<|channel>thought\nx<channel|>{WORDS}<turn|>", WORDS),
    "unused": (f"<unused94>thought\nx<unused95>{WORDS}", WORDS),
    "in words": (f"Here is my thought process: x. Here is my response: {WORDS}", WORDS),
    "wrapped answer": (f"<think>x</think>\n<answer>\n{WORDS}</answer>", WORDS),
    "boxed answer": (f"<think>x</think><|begin_of_box|>{WORDS}<|end_of_box|>", WORDS),
    "a thought within": (f"<think>a <think>b</think> c</think>{WORDS}", WORDS),
    "a thought that names its mark": (f"<think>I use <think> marks</think>{WORDS}", WORDS),
    "never closed": ("<think>never", ""),
    "chatml": (f"<|im_start|>assistant\n{WORDS}<|im_end|>", WORDS),
    "another's turn": (
        f"{WORDS}<|im_end|>\n<|im_start|>user\nWhat now?<|im_end|>\n<|im_start|>assistant\nMore.<|im_end|>",
        f"{WORDS}\nMore.",
    ),
    "header ids": (f"<|start_header_id|>assistant<|end_header_id|>\n\n{WORDS}<|eot_id|>", WORDS),
    "start of turn": (f"<start_of_turn>model\n{WORDS}<end_of_turn>", WORDS),
    "start of role": (f"<|start_of_role|>assistant<|end_of_role|>{WORDS}<|end_of_text|>", WORDS),
    "im_middle": (f"<|im_assistant|>assistant<|im_middle|>{WORDS}", WORDS),
    "instructions": (f"[INST] <<SYS>> s <</SYS>> hi [/INST] {WORDS}", WORDS),
    "closing instruction": (f"[/INST] {WORDS}", WORDS),
    "end of sentence": (f"{WORDS}</s>", WORDS),
    "eos": (f"{WORDS}<eos>", WORDS),
    "end of utterance": (f"{WORDS}<end_of_utterance>", WORDS),
    "full-width bars": (f"<｜Assistant｜>{WORDS}<｜end▁of▁sentence｜>", WORDS),
    "placeholders": ("A picture: <|image_pad|> and <image>./</image>.", "A picture: and ."),
    "tool call": ('<tool_call>{"name": "look"}</tool_call>', ""),
    "tool calls": ("<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>x<｜tool▁call▁end｜><｜tool▁calls▁end｜>", ""),
    "square bars": (f"[|assistant|]{WORDS}[|endofturn|]", WORDS),
    "no role": ("<|im_start|>A ball rolls far.", "A ball rolls far."),
    # what only looks like a mark
    "signs": ("a <3 heart, x < y, 1 <2> and 3>2, [1] [GOAL]", "a <3 heart, x < y, 1 <2> and 3>2, [1] [GOAL]"),
    "html": ("<b>It</b> moves, a<b and c>d, ◁ left", "<b>It</b> moves, a<b and c>d, ◁ left"),
    "half a mark": ("It moves <think", "It moves <think"),
    "a sign at the end": ("x <", "x <"),
    "analysis in words": ("analysis of the match", "analysis of the match"),
    "here is": ("Here is a dog.", "Here is a dog."),
}  # fmt: skip
# Only the end of the thought is marked.
BARE = {
    "think": f"Let me look at the frames. It is a ball.\n</think>\n\n{WORDS}",
    "square": f"hm [/THINK]{WORDS}",
    "end of thought": f"x<|end_of_thought|>{WORDS}",
    "names its mark": f"I use <think> marks</think>{WORDS}",
    "triangle": f"x◁/think▷{WORDS}",
    "namespace": f"x < y, so</ns:think>\n{WORDS}</s>",
}


def cuts(text):
    """Yield a text in pieces: whole, in pieces of each length, cut in two at each place, and cut at random."""
    for length in range(1, len(text) + 1):
        yield [text[at : at + length] for at in range(0, len(text), length)]
    for at in range(len(text)):
        yield [text[:at], text[at:]]
    rng = random.Random(text)
    for _ in range(20):
        places = sorted(rng.sample(range(len(text) + 1), min(len(text), 6)))
        yield [text[a:b] for a, b in zip([0, *places], [*places, len(text)], strict=True)]


def said(pieces, holds=False):
    """Return (the words before the end, those at the end, the filter)."""
    thought = ThoughtFilter(holds)
    first = "".join(thought.push(piece) for piece in pieces)
    return first, thought.rest(), thought


@pytest.mark.parametrize("holds", [False, True])
@pytest.mark.parametrize("name", MARKED)
def test_only_words_are_said_however_the_answer_is_cut(name, holds):
    text, words = MARKED[name]
    for pieces in cuts(text):
        first, last, _ = said(pieces, holds)
        assert first + last == words, pieces


@pytest.mark.parametrize("name", BARE)
def test_a_thought_of_which_only_the_end_is_marked_is_held_back_and_left_out(name):
    for pieces in cuts(BARE[name]):
        first, last, thought = said(pieces, holds=True)
        assert first + last == WORDS and thought.bare and not thought.holds, pieces


def test_words_after_such_a_thought_are_said_as_they_come():
    thought = ThoughtFilter(holds=True)
    assert thought.push("hm") == "" and thought.push("</think>\n") == ""
    assert thought.push("A red ") == "A red " and thought.push("ball") == "ball"


def test_words_that_are_not_held_are_said_as_they_come_and_a_bare_end_is_noticed():
    thought = ThoughtFilter()
    assert [thought.push(word) for word in ("A ", "red ", "ball.")] == ["A ", "red ", "ball."]
    assert not thought.bare and thought.push("</think>More.") == " More." and thought.bare


def test_marked_thoughts_end_the_holding_back():
    thought = ThoughtFilter(holds=True)
    assert thought.push("<think>hm</think>A red ") == "A red " and not thought.bare and thought.thought


def test_held_words_come_at_the_end_where_no_thought_came():
    first, last, thought = said([WORDS], holds=True)
    assert (first, last) == ("", WORDS) and not thought.bare


def test_a_tool_call_in_the_text_is_noticed():
    assert said([MARKED["tool call"][0]])[2].called and not said([WORDS])[2].called


def test_text_without_marks_is_never_changed():
    rng = random.Random(7)
    letters = "ab <>[]|/◁▷3\n"
    for _ in range(3000):
        text = "x" + "".join(rng.choice(letters) for _ in range(12)).rstrip() + "x"
        pieces = [text[:5], text[5:]]
        whole = said([text])
        assert "".join(said(pieces)[:2]) == "".join(whole[:2])
        if not any(mark in text for mark in ("|", "◁", "[", "<a", "<b", "</", "< ")):
            assert "".join(whole[:2]) == text
