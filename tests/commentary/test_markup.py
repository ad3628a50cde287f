"""Markdown is taken out of a growing text: any cut gives the same, and a parser of Markdown agrees."""

from __future__ import annotations

import random
import re

import pytest
from markdown_it import MarkdownIt

from commentator_lib.commentary.markup import MarkupStripper, without_markup

SHOWN = {
    "**Goal!** The *striker* scores ⚽🔥.\n\n- Player: `No. 9`\n- Score: 2–1\n## Replay\n": (
        "Goal! The striker scores ⚽🔥.\n\nPlayer: No. 9\nScore: 2–1\nReplay\n"
    ),
    "5 * 3 is 15, and 2*3*4 is 24": "5 * 3 is 15, and 2*3*4 is 24",
    "snake_case stays, _this_ goes": "snake_case stays, this goes",
    "#9 scores, -5 degrees": "#9 scores, -5 degrees",
    "[the keeper] saves [1] (again)": "[the keeper] saves [1] (again)",
    "see [the replay](http://x.org/a(1) 'twice') now": "see the replay now",
    "see [**the** replay][2] now": "see the replay now",
    "![a ball](ball.png) rolls": "a ball rolls",
    "[sic](he said so)": "[sic](he said so)",
    "cut off in [the link](https://example.org/so": "cut off in the link",
    "x < y, a <3 heart, 1 <2> 3": "x < y, a <3 heart, 1 <2> 3",
    "<b>Goal</b> <https://x.org> & AT&T &amp; &lt;": "Goal https://x.org & AT&T & <",
    "**Go": "Go",
    "It is **": "It is ",
    "f*** that, 5* hotel": "f*** that, 5* hotel",
    "***Both*** and a **b *c* d** e": "Both and a b c d e",
    "1. Halbzeit": "1. Halbzeit",
    "Next:\n1. one\n2) two": "Next:\none\ntwo",
    "2026. What a year": "2026. What a year",
    "```python\nx = 1\n```\nok": "\nx = 1\n\nok",
    "| a | b |\n|---|---|\n| 1 | 2 |\n": "a · b \n\n1 · 2 \n",
    "---\nGoal\n===\n": "\nGoal\n\n",
    "~~no~~ yes, ~5 m": "no yes, ~5 m",
    "\\*not\\* a mark": "*not* a mark",
    "> - [x] done": "done",
    "`code ** x` b": "code ** x b",
    "Brazil **2**–1, **Score:** 2": "Brazil 2–1, Score: 2",
    "": "",
}


@pytest.mark.parametrize("text", SHOWN)
def test_marks_go_and_text_stays(text):
    assert without_markup(text) == SHOWN[text]


@pytest.mark.parametrize("text", SHOWN)
def test_any_cut_gives_the_same_and_no_mark_is_ever_shown(text):
    rng = random.Random(0)
    for _ in range(100):
        stripper, shown, at = MarkupStripper(), "", 0
        while at < len(text):
            step = rng.choice([1, 1, 1, 2, 3, 8])
            shown += stripper.push(text[at : at + step])
            assert SHOWN[text].startswith(shown)  # nothing is shown that is not shown in the end
            at += step
        assert shown + stripper.rest() == SHOWN[text]


def test_a_mark_cut_in_two_waits_for_its_other_half_only():
    stripper = MarkupStripper()
    assert [stripper.push(part) for part in ("Now *", "*Go", "al*", "* for", " us")] == [
        "Now ",
        "Go",
        "al",
        " for",
        " us",
    ]


def _plain(text):
    """Return the words of a document, by a parser of Markdown."""
    words = []
    for token in MarkdownIt("commonmark").enable("strikethrough").parse(text):
        for child in token.children or ():
            if child.type in ("softbreak", "hardbreak"):
                words.append(" ")
            elif child.type in ("text", "code_inline", "image"):
                words.append(child.content)
        words.append(" ")
    return "".join(words).split()


WORDS = [
    "Goal",
    "Halden",
    "2–1",
    "the",
    "keeper",
    "saves",
    "67:12",
    "No. 9",
    "5 * 3",
    "snake_case",
    "#9",
    "and",
    "it's",
]


def _document(rng):
    """Return a well-formed document of emphasis, lists, headings, quotes, code and links."""

    def some(most=4):
        return " ".join(rng.choice(WORDS) for _ in range(rng.randint(1, most)))

    def marked():
        kind = rng.randrange(8)
        if kind < 3:
            return some()
        mark = ["**", "*", "_", "~~", "`"][kind - 3]
        inner = re.sub(r"[*_`]", "x", some(2))
        return f"{mark}{inner}{mark}"

    def line():
        parts = [marked() for _ in range(rng.randint(1, 4))]
        if rng.random() < 0.3:
            parts.append(f"[{re.sub('[*_]', 'x', some(2))}](https://example.org/{rng.randrange(99)})")
        return " ".join(parts) + rng.choice([".", "!", ""])

    blocks = []
    for _ in range(rng.randint(1, 4)):
        kind = rng.randrange(5)
        if kind == 0:
            blocks.append("#" * rng.randint(1, 4) + " " + line())
        elif kind == 1:
            blocks.append("\n".join(rng.choice("-*+") + " " + line() for _ in range(1)))
        elif kind == 2:
            blocks.append("> " + line())
        else:
            blocks.append(line())
    return "\n\n".join(blocks)


def test_a_parser_of_markdown_reads_the_same_words():
    rng = random.Random(7)
    for _ in range(600):
        text = _document(rng)
        assert without_markup(text).split() == _plain(text), text
