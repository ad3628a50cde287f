"""/metrics: what is counted, over several runs; and the Grafana board, which may ask for nothing else."""

from __future__ import annotations

import json
import re
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from commentator_lib.runs.record import CycleRecord
from commentator_lib.serve.access import Access
from commentator_lib.serve.app import make_app
from commentator_lib.serve.metrics import RowCounter
from tests.serve.conftest import TOKEN, ask, until

BOARD = Path(__file__).resolve().parents[2] / "containers" / "grafana_board.json"


def read(app, **more):
    answer = ask(app, "GET", "/metrics", **more)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    return list(text_string_to_metric_families(answer.text))


def values(families):
    """Return the value of each sample, by its name and its labels' values."""
    return {" ".join([s.name, *s.labels.values()]): s.value for family in families for s in family.samples}


def test_an_idle_server_has_counts_of_nothing_and_no_value_for_what_is_not_there(idle):
    found = values(read(make_app(idle, Access())))
    assert found["commentator_running"] == 0 and found["commentator_runs_total"] == 0
    assert (
        found["commentator_cycles_total spoken"] == 0 and found["commentator_first_sound_seconds_count"] == 0
    )
    assert "commentator_delay_seconds" not in found and "commentator_source_age_seconds" not in found
    assert found["commentator_viewers"] == 0 and found["commentator_viewers_limit"] == idle.places.most
    assert found["process_resident_memory_bytes"] > 1e6


def test_counts_go_on_over_two_runs_and_agree_with_their_logs(idle):
    app = make_app(idle, Access())
    logs = []
    for _ in range(2):
        assert ask(app, "POST", "/api/start").status_code == 200
        until(lambda: idle.session.status.frames_shown > 10 and len(idle.session.log.cycle_rows) > 2)
        during = values(read(app))
        assert during["commentator_running"] == 1 and during["commentator_delay_seconds"] > 0
        assert ask(app, "POST", "/api/stop").json() == {"status": "stopped"}
        logs.append(idle.session)
    found = values(read(app))
    rows = [row for session in logs for row in session.log.cycle_rows]
    counted = {
        name.split()[1]: n for name, n in found.items() if name.startswith("commentator_cycles_total ") and n
    }
    assert counted == {o: sum(r["outcome"] == o for r in rows) for o in {r["outcome"] for r in rows}}
    assert found["commentator_runs_total"] == 2 and found["commentator_running"] == 0
    assert found["commentator_frames_shown_total"] == sum(s.status.frames_shown for s in logs)
    assert found["commentator_frames_captured_total"] == sum(s.status.frames_captured for s in logs)
    for name, column in (("first_sound", "first_sound_latency_s"), ("silence", "gap_before_s")):
        known = [row[column] for row in rows if row[column] is not None]
        assert found[f"commentator_{name}_seconds_count"] == len(known) > 0
        assert abs(found[f"commentator_{name}_seconds_sum"] - sum(known)) < 1e-6


def test_errors_count_by_their_size_and_reconnects_over_several_sources():
    registry = CollectorRegistry()
    counter = RowCounter(registry)
    row = {name: getattr(CycleRecord(0), name) for name in CycleRecord.__slots__}
    counter.log_row(
        "cycle", {**row, "outcome": "spoken", "sync_error_s": -0.03, "speech_s": 1.5, "output_tokens": 7}
    )
    for kind, reconnects in (
        ("run", 0),
        ("sample", 2),
        ("sample", 3),
        ("source", 0),
        ("sample", 0),
        ("sample", 1),
    ):
        counter.log_row(kind, {"source_reconnects": reconnects})
    assert registry.get_sample_value("commentator_picture_sound_error_seconds_sum") == 0.03
    assert registry.get_sample_value("commentator_picture_sound_error_seconds_bucket", {"le": "0.02"}) == 0
    assert registry.get_sample_value("commentator_picture_sound_error_seconds_bucket", {"le": "0.04"}) == 1
    assert registry.get_sample_value("commentator_speech_seconds_total") == 1.5
    assert registry.get_sample_value("commentator_output_tokens_total") == 7
    assert registry.get_sample_value("commentator_source_reconnects_total") == 4


def test_a_watcher_that_invents_kinds_without_end_makes_no_series_without_end():
    registry = CollectorRegistry()
    counter = RowCounter(registry)
    for k in range(200):
        counter.log_row("event", {"event": k, "kind": f"kind {k}"})
        counter.log_row("event", {"event": k, "cycle": 1})
    (family,) = (f for f in registry.collect() if f.name == "commentator_events")
    counted = {s.labels["kind"]: s.value for s in family.samples if s.name.endswith("_total")}
    assert len(counted) == 51 and counted["other"] == 150 and sum(counted.values()) == 200


def test_names_follow_prometheus_rules_and_have_words(app):
    for family in read(app):
        assert family.documentation, family.name
        if family.name.startswith("commentator_"):
            assert not re.search(r"_(s|ms|mb|kb|milliseconds|minutes)$", family.name), family.name
            assert all(
                s.name.endswith("_total")
                for s in family.samples
                if family.type == "counter" and not s.name.endswith("_created")
            )


def test_metrics_need_the_token_and_tell_nothing_of_what_is_watched(guarded, broadcast):
    assert ask(guarded, "GET", "/metrics").status_code == 401
    text = ask(guarded, "GET", "/metrics", headers={"authorization": f"Bearer {TOKEN}"}).text
    assert "commentator_running" in text and "clip.mp4" not in text and TOKEN not in text


def test_the_grafana_board_asks_for_nothing_that_is_not_there(app):
    board = json.loads(BOARD.read_text(encoding="utf-8"))
    known = set()
    for family in read(app):
        suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}.get(family.type, [""])
        known |= {family.name + suffix for suffix in suffixes}
    asked = [(panel, target["expr"]) for panel in board["panels"] for target in panel.get("targets", [])]
    names = {name for _, expr in asked for name in re.findall(r"\b(?:commentator|process)_\w+", expr)}
    assert len(names) > 12 and names <= known, names - known
    for panel, expr in asked:
        assert panel["title"] and panel["fieldConfig"]["defaults"]["unit"], panel
        assert re.search(r"\b(?:commentator|process)_\w+", expr), expr
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids))
