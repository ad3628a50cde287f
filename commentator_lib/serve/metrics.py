"""The server's numbers for Prometheus, at /metrics, behind the token like other routes.

What happens once, such as a cycle, is counted as its row of the run log is written; what has a value now is read when
Prometheus asks. Counts go on over all runs of the process. Names follow Prometheus' rules: base units, and _total for
what only grows. Nothing of what was said, seen or opened is in a label; kinds of events are, and `_MOST_KINDS` bounds
them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter, Response
from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from commentator_lib.media import Frame
from commentator_lib.players.base import Player
from commentator_lib.runs.meters import vram_used_bytes
from commentator_lib.runs.record import OUTCOMES
from commentator_lib.serve.broadcast import Broadcast
from commentator_lib.serve.health import readiness_of
from commentator_lib.session import LiveSession

_MOST_KINDS = 50
_TIMES_S = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0)
_ERRORS_S = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12)


def router(broadcast: Broadcast) -> APIRouter:
    """Return the route /metrics; from now on the runs of `broadcast` are counted."""
    registry = metrics_of(broadcast)
    routes = APIRouter(tags=["operation"])

    @routes.get(
        "/metrics",
        response_class=Response,
        responses={200: {"content": {"text/plain": {}}, "description": "Prometheus' text format."}},
    )
    def metrics() -> Response:
        """All numbers, in Prometheus' text format."""
        return Response(generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return routes


def metrics_of(broadcast: Broadcast) -> CollectorRegistry:
    """Return a registry that counts the runs of `broadcast` from now on."""
    registry = CollectorRegistry(auto_describe=False)
    ProcessCollector(registry=registry)
    broadcast.extra_players.append(RowCounter(registry))
    registry.register(StateCollector(broadcast))
    return registry


class RowCounter(Player):
    """Counts the rows of the run log. It is a player that shows nothing, sounds nowhere and holds up nobody."""

    name = "metrics"

    def __init__(self, registry: CollectorRegistry) -> None:
        def times(name: str, what: str, bounds: tuple[float, ...] = _TIMES_S) -> Histogram:
            return Histogram(f"commentator_{name}_seconds", what, buckets=bounds, registry=registry)

        def count(name: str, what: str, *labels: str) -> Counter:
            return Counter(f"commentator_{name}_total", what, labels, registry=registry)

        self._times = {
            "first_sound_latency_s": times(
                "first_sound",
                "From the capture of a comment's newest picture to its first sound being ready.",
            ),
            "gap_before_s": times("silence", "Silence between a comment and the one before."),
            "shortfall_s": times("silence_beyond_pause", "Silence beyond the pause that is set."),
            "sync_error_s": times(
                "picture_sound_error", "How far a comment's start is from its picture.", _ERRORS_S
            ),
        }
        self._runs = count("runs", "Runs that were started.")
        self._cycles = count("cycles", "Cycles of the commentary, by what came of them.", "outcome")
        self._speech = count("speech_seconds", "Speech that was heard.")
        self._tokens = count("output_tokens", "Tokens that the commentator wrote.")
        self._events = count("events", "Events that the watchers noticed.", "kind")
        self._reconnects = count("source_reconnects", "How often a live source was opened again.")
        for outcome in OUTCOMES:
            self._cycles.labels(outcome)
        self._kinds: set[str] = set()
        self._reconnects_before = 0

    def show(self, frame: Frame, due_at_s: float) -> None:
        """Show nothing."""

    def log_row(self, kind: str, row: dict[str, Any]) -> None:
        if kind in ("run", "source"):
            self._runs.inc(kind == "run")
            self._reconnects_before = 0
        elif kind == "cycle":
            self._count_cycle(row)
        elif kind == "sample":
            reconnects = row["source_reconnects"] or 0
            self._reconnects.inc(max(0, reconnects - self._reconnects_before))
            self._reconnects_before = reconnects
        elif kind == "event" and "kind" in row:  # the others say which cycle told one
            if row["kind"] in self._kinds or len(self._kinds) < _MOST_KINDS:
                self._kinds.add(row["kind"])
                self._events.labels(row["kind"]).inc()
            else:
                self._events.labels("other").inc()

    def _count_cycle(self, row: dict[str, Any]) -> None:
        self._cycles.labels(row["outcome"]).inc()
        self._speech.inc(row["speech_s"])
        self._tokens.inc(row["output_tokens"])
        for name, histogram in self._times.items():
            if row[name] is not None:
                histogram.observe(abs(row[name]))


class StateCollector(Collector):
    """Reads what has a value now, and the counts that others keep, when Prometheus asks."""

    def __init__(self, broadcast: Broadcast) -> None:
        self._broadcast = broadcast
        self._session: LiveSession | None = None
        self._before = (0, 0, 0)  # frames captured, shown and dropped in the runs before this one
        broadcast.on_session.append(self._begin)

    def _begin(self, session: LiveSession) -> None:
        self._before = self._frames()
        self._session = session

    def _frames(self) -> tuple[int, int, int]:
        if self._session is None:
            return self._before
        status = self._session.status
        now = status.frames_captured, status.frames_shown, status.frames_dropped
        return (self._before[0] + now[0], self._before[1] + now[1], self._before[2] + now[2])

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics. What has no value now has none here."""
        broadcast = self._broadcast
        session = broadcast.session
        live = session.source.live if session is not None and session.running else None
        targets = broadcast.publisher.connections if broadcast.publisher is not None else []
        lost = broadcast.hub.dropped_frames + sum(v.dropped_frames for v in tuple(broadcast.hub.viewers))
        gauges: dict[str, tuple[str, float | None]] = {
            "running": ("1 while a run is going on, else 0.", broadcast.running),
            "ready": ("1 where /readyz answers that it is ready, else 0.", readiness_of(session).ready),
            "delay_seconds": (
                "How far the picture lags behind the source.",
                session.status.delay_s if session is not None and session.running else None,
            ),
            "source_age_seconds": (
                "Age of the newest picture of a live source.",
                live.newest_age_s if live is not None else None,
            ),
            "gpu_memory_used_bytes": (
                "Memory in use on the first GPU, by the driver's count.",
                vram_used_bytes(),
            ),
            "viewers": ("Places for viewers that are taken: pages and streams.", broadcast.places.taken),
            "viewers_limit": ("Places for viewers that there are.", broadcast.places.most),
            "pages": ("Pages that are open.", len(broadcast.hub.viewers)),
            "targets": ("Targets of --publish.", len(targets)),
            "targets_on_air": (
                "Targets of --publish that take the stream.",
                sum(t.state == "on air" for t in targets),
            ),
        }
        for name, (what, value) in gauges.items():
            yield GaugeMetricFamily(
                f"commentator_{name}", what, value=None if value is None else float(value)
            )
        captured, shown, dropped = self._frames()
        counts: dict[str, tuple[str, int]] = {
            "frames_captured": ("Frames that were captured.", captured),
            "frames_shown": ("Frames that were shown in time.", shown),
            "frames_dropped": ("Frames that came too late or did not fit into the buffer.", dropped),
            "viewer_frames_dropped": ("Frames that slow viewers' pages did not get.", lost),
            "target_connections_lost": (
                "Connections to targets of --publish that were lost.",
                sum(t.lost_connections for t in targets),
            ),
            "target_lost_bytes": (
                "Bytes of the stream that a target of --publish did not take in time.",
                sum(t.lost_bytes for t in targets),
            ),
        }
        for name, (what, value) in counts.items():
            yield CounterMetricFamily(f"commentator_{name}", what, value=value)
