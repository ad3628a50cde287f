"""The card of a run: true sentences, a figure of bounded size, data that stays data, and the report in the folder."""

from __future__ import annotations

import doctest
import json
import re
import shutil
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from commentator_lib import cli, terminal
from commentator_lib.commentators.scripted import CostModel, ScriptedCommentator
from commentator_lib.events import Event
from commentator_lib.runs import run_card, run_card_axes, run_card_data, run_card_words
from commentator_lib.runs.log import RunLog
from commentator_lib.runs.reader import load_run
from commentator_lib.runs.record import CycleRecord, RunLogError
from commentator_lib.runs.run_card import card_html, write_report
from commentator_lib.runs.run_card_data import card_data, on_screen_s, series
from commentator_lib.runs.run_card_words import facts, headlines
from commentator_lib.session import LiveSession
from commentator_lib.settings import Settings
from tests.runs.cards import EVIL, comment, empty_log, long_log, sample, usual_log


class Page(HTMLParser):
    """The elements of a page by their tag, and its text outside of scripts and styles."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self._inside = ""
        self.scripts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self._inside = tag
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag):
        self._inside = ""

    def handle_data(self, data):
        if self._inside == "script":
            self.scripts[-1] += data
        elif self._inside != "style":
            self.text += f"{data} "

    @property
    def data(self):
        return json.loads(self.scripts[0])


def finished(log: RunLog) -> RunLog:
    log.finish({})
    return log


def said(log: RunLog) -> list[str]:
    data = card_data(log)
    return [*headlines(log, data), *facts(log, data)]


@pytest.mark.parametrize("module", [run_card_axes, run_card_data, run_card_words])
def test_examples_in_the_docstrings_hold(module):
    tried = doctest.testmod(module)
    assert tried.attempted and not tried.failed


def test_the_headline_numbers_are_sentences_in_plain_words():
    assert said(finished(usual_log()))[:3] == [
        "Spoke 10 times in 60 s, cut short once.",
        "Silences between comments lasted 0.02 s beyond the pause (median of 10).",
        "Voice and picture 4 ms apart (median of 10; 4 ms at most).",
    ]


def test_the_facts_tell_cycles_events_delay_and_memory():
    words = " ".join(said(finished(usual_log())))
    for part in (
        "10 cycles: 9 heard to their end, 1 cut short.",
        "Noticed 4 events, told 2 of them.",
        "First sound 0.40 s after the frame it speaks of (median of 10).",
        "At the end the picture ran 2.59 s behind.",
        "Memory 359 MB at most.",
    ):
        assert part in words


def test_a_run_without_anything_claims_nothing():
    log = finished(empty_log())
    page = Page(card_html(log))
    assert said(log) == ["Said nothing in 1.0 s."]
    assert (
        "nothing was heard" in page.text and page.text.count("not measured") == 6
    )  # three lanes, two widths


def test_a_run_in_which_all_failed_says_so_with_the_last_reason():
    log = empty_log(error="RuntimeError: it broke")
    for k in range(3):
        log.cycle(
            CycleRecord(k, outcome="failed", reason=f"out of memory {k}", infer_s=1.0 + k, done_s=2.0 + k)
        )
    words = said(finished(log))
    assert words[0] == "Said nothing in 4.0 s: 3 cycles failed."
    assert words[1:3] == [
        "The run broke: RuntimeError: it broke",
        "3 cycles failed; the last one: out of memory 2",
    ]
    data = Page(card_html(log)).data
    assert [f["words"] for f in data["failures"]] == [f"failed: out of memory {k}" for k in range(3)]


def test_one_comment_of_a_run_with_captions_alone():
    log = empty_log(settings={"speech": False, "policy": "serial"})
    comment(log, 0, 3.0, 5.0)
    words = said(finished(log))
    assert words[0] == "Showed 1 caption in 5.0 s." and "Caption and picture 4 ms apart (n = 1)." in words
    assert "text only" in Page(card_html(log)).text


def test_the_same_card_from_memory_and_from_the_folder(tmp_path):
    log = usual_log(tmp_path / "run")
    log.finish({})
    assert card_html(log) == card_html(load_run(tmp_path / "run"))
    data = Page(card_html(log)).data
    assert data["name"] == "run" and len(data["bars"]) == 10
    assert [c["words"] for c in data["changes"]] == ["pause_s 1 → 0.5", "instruction: Who leads?"]
    assert [m["told"] for m in data["marks"]] == [False, False, True, True]
    assert data["marks"][3]["words"] == "score 1-0, HAR – LEI"


def test_an_event_is_marked_when_the_picture_showed_it():
    samples = pd.DataFrame({"at_s": [2.0, 3.0, 4.0], "delay_applied_s": [None, 1.0, 1.5]})
    at_s = on_screen_s(np.array([0.0, 2.0, 2.25, 2.5, 9.0]), samples)
    assert at_s == pytest.approx([1.0, 3.0, 3.5, 4.0, 10.5])
    assert on_screen_s(np.array([5.0]), samples[:0]) == [5.0]


def test_a_thinned_line_keeps_its_peaks_and_its_count():
    values = np.zeros(100_000)
    values[54_321], values[77_777] = 9.0, -3.0
    thin = series(np.arange(100_000.0), values)
    assert thin.count == 100_000 and len(thin.values) <= 600
    assert thin.at_s[thin.values.argmax()] == 54_321 and thin.values.min() == -3.0
    assert (np.diff(thin.at_s) > 0).all()


def test_a_run_of_hours_gives_a_true_card_of_bounded_size():
    log = long_log(hours=6.0)
    html = card_html(finished(log))
    page = Page(html)
    assert len(html) < 1_000_000
    assert "Spoke 3600 times in 5 h 59 min." in page.text and "n = 3600, 600 groups" in page.text
    assert len(page.data["bars"]) == 600 and page.data["bars"][-1]["to_s"] == 3599 * 6.0 + 4.0
    assert len(page.data["marks"]) == 600 and {m["importance"] for m in page.data["marks"]} == {1}
    assert max(page.data["series"][0]["values"]) == 9.0  # the one second with a long delay


def test_what_others_wrote_stays_text():
    log = usual_log(text=EVIL, commentator=EVIL, voice=EVIL, created=EVIL, source_problem=EVIL, notes=[EVIL])
    log.noticed(Event(EVIL, 1.0, 1.0, 3, 1.0, {"text": EVIL}), 1.0)
    log.changed(EVIL, EVIL, {"x": EVIL}, 30.0)
    log.cycle(CycleRecord(99, outcome="failed", reason=EVIL, done_s=9.0))
    page = Page(card_html(finished(log)))
    usual = Page(card_html(finished(usual_log())))
    assert set(page.tags) == set(usual.tags) | {"path"} and page.tags.count("script") == 2
    assert "img" not in page.tags and page.text.count("window.hacked") > 10
    assert page.data["bars"][0]["words"] == EVIL
    assert page.scripts[1] == usual.scripts[1]


def test_texts_that_no_page_can_hold_are_made_ones(tmp_path):
    log = empty_log(commentator="a\x00b\ud800c\u202e")
    comment(log, 0, 1.0, 2.0, "half of a pair\x1b[2J\n and a line")
    html = card_html(finished(log))
    html.encode("utf-8")
    assert not re.search(r"[\x00\x1b\u202e]", html)


def test_numbers_that_are_none_are_left_out():
    log = empty_log()
    comment(log, 0, 1.0, 2.0, sync_error_s=float("nan"), shortfall_s=float("inf"))
    comment(log, 1, -5.0, 2e9)
    sample(log, 1.0)
    log.sampled([{"at_s": 2.0, "delay_applied_s": "soon", "delay_wanted_s": None, "rss_bytes": 1e30}])
    data = card_data(finished(log))
    assert data.comments == 1 and data.end_s == 2.0 and data.delay.count == 1 and data.error.count == 0
    assert "nan" not in card_html(log).lower().replace("nannte", "")


def test_changes_during_a_run_are_logged_with_their_time(tmp_path):
    at_s = []

    def steer(cycle, text, final, now_s):
        if final and not at_s:
            at_s.append(now_s)
            session.update(pause_s=0.25)
            session.set_instruction("Who leads?")

    session = LiveSession(
        "synthetic:20",
        Settings(change_threshold=0.0, speech=False, commentator="scripted"),
        commentator=ScriptedCommentator(["One.", "Two."], CostModel(0.5, 0, 0.5, 0, 0.2)),
        mode="what-if",
        run_dir=tmp_path / "run",
        on_caption=steer,
    )
    session.run()
    pause, instruction = load_run(tmp_path / "run").changes
    assert (pause["setting"], pause["old"], pause["new"]) == ("pause_s", 1.0, 0.25)
    assert (instruction["setting"], instruction["new"]) == ("instruction", "Who leads?")
    assert pause["at_s"] == pytest.approx(at_s[0], abs=0.1)
    assert list(session.log.change_rows) == [pause, instruction]


def test_a_log_without_changes_tells_new_instructions_by_the_cycles_they_started():
    log = empty_log()
    comment(log, 0, 5.0, 6.0, trigger="instruction", decide_s=4.0)
    assert [(c.at_s, c.words) for c in card_data(finished(log)).changes] == [(4.0, "new instruction")]


def test_a_change_that_nobody_wrote_is_damage(tmp_path):
    usual_log(tmp_path / "run").finish({})
    with open(tmp_path / "run" / "changes.jsonl", "a") as file:
        file.write('{"at_s": "soon", "setting": "pause_s"}\n')
    with pytest.raises(RunLogError, match=r"changes\.jsonl is damaged"):
        load_run(tmp_path / "run")


# --- the report in the run's folder


def test_the_report_of_a_killed_run_is_written(killed):
    path = write_report(killed)
    assert path == killed / "report.html" and "Spoke " in Page(path.read_text(encoding="utf-8")).text


def run_cli(monkeypatch, tmp_path, *arguments: str) -> int:
    """Return the exit code of `commentator run` on a synthetic clip in virtual time, without a video."""
    monkeypatch.chdir(tmp_path)
    scripted = ["-s", "commentator=scripted", "-s", "change_threshold=0", "--mode", "what-if", "--no-video"]
    monkeypatch.setattr("sys.argv", ["commentator", "run", "synthetic:6", *scripted, *arguments])
    monkeypatch.setattr(cli, "_raise_on_ctrl_c", lambda: None)
    with pytest.raises(SystemExit) as end:
        cli.main()
    return int(end.value.code or 0)


def test_run_leaves_a_report(monkeypatch, tmp_path, capsys):
    assert run_cli(monkeypatch, tmp_path) == 0
    (report,) = tmp_path.glob("runs/*/report.html")
    assert "Spoke " in Page(report.read_text(encoding="utf-8")).text
    assert "no report.html" not in capsys.readouterr().err


def test_a_run_that_fails_and_one_that_is_stopped_leave_a_report_too(monkeypatch, tmp_path):
    def breaks(session, on_start):
        session.run()
        raise RuntimeError("the voice is gone")

    def is_stopped(session, on_start):
        session.run()
        return True

    monkeypatch.setattr(cli, "run_with_progress", breaks)
    with pytest.raises(RuntimeError, match="the voice is gone"):
        run_cli(monkeypatch, tmp_path)
    assert len(list(tmp_path.glob("runs/*/report.html"))) == 1
    monkeypatch.setattr(cli, "run_with_progress", is_stopped)
    monkeypatch.setattr(cli, "_exit_with", lambda code: (_ for _ in ()).throw(SystemExit(code)))
    assert run_cli(monkeypatch, tmp_path) == 130
    assert len(list(tmp_path.glob("runs/*/report.html"))) == 2


def test_a_report_that_cannot_be_written_costs_one_line(monkeypatch, tmp_path, capsys):
    def fails(folder):
        raise ZeroDivisionError("no such luck")

    monkeypatch.setattr(run_card, "write_report", fails)
    assert run_cli(monkeypatch, tmp_path) == 0
    printed = capsys.readouterr()
    (line,) = [line for line in printed.err.splitlines() if "report" in line]
    assert line.startswith("commentator: no report.html in ") and "ZeroDivisionError: no such luck" in line
    assert "spoken" in printed.out  # the summary is there
    terminal.write_report_or_complain(tmp_path / "no folder")
    assert capsys.readouterr().err == ""


def test_export_renews_the_report(run, tmp_path, monkeypatch):
    folder = shutil.copytree(run.folder, tmp_path / "copy")
    monkeypatch.setattr("sys.argv", ["commentator", "export", str(folder)])
    monkeypatch.setattr(cli, "_raise_on_ctrl_c", lambda: None)
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert not end.value.code and (folder / "report.html").exists()
