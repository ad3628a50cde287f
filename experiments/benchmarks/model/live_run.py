"""A live run in real time without a player: whether cycles fail, how late comments are, whether memory grows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from experiments.benchmarks.model.doubles import CappedCommentator, MovingSquare, NoVoice
from experiments.benchmarks.model.loaded_model import LoadedModel


def measure_live_run(
    bench: LoadedModel, seconds: float, comment_tokens: int, clip: str = ""
) -> dict[str, Any]:
    """Run for `seconds` on `clip`, or on a moving square, with `comment_tokens` a comment; summarise the log."""
    from commentator_lib.session import LiveSession

    # 1) run
    settings = bench.settings.changed(change_threshold=0.0, delay_init_s=0.6)
    commentator = CappedCommentator(bench.commentator, comment_tokens)
    source = clip or MovingSquare(seconds)
    session = LiveSession(source, settings, commentator=commentator, voice=NoVoice(), duration_s=seconds)
    session.run()
    # 2) outcomes
    cycles = session.log.cycles
    heard: pd.DataFrame = cycles.loc[cycles.heard_from_s.notna()]
    out: dict[str, Any] = {
        "seconds": seconds,
        "source": Path(session.source.info.spec).name,
        "delay_last_s": round(float(heard.delay_applied_s.iloc[-1]), 3) if len(heard) else None,
        "outcomes": session.log.header["outcomes"],
        "failed": int((cycles.outcome == "failed").sum()),
        "comments": len(heard),
        "notes": session.log.header.get("notes", []),
    }
    # 3) times
    for column in ("first_sound_latency_s", "sync_error_s", "shortfall_s", "delay_applied_s", "speech_s"):
        values = heard[column].dropna().astype(float)
        if len(values):
            out[column] = {"median": round(values.median(), 3), "p95": round(values.quantile(0.95), 3)}
    # 4) memory
    for column in ("torch_idle_bytes", "torch_peak_bytes", "vram_peak_bytes"):
        sizes: list[float] = cycles[column].dropna().astype(float).tolist()
        if sizes:
            out[column] = {
                "first": int(sizes[0]),
                "third": int(sizes[min(2, len(sizes) - 1)]),
                "last": int(sizes[-1]),
                "most": int(max(sizes)),
            }
    return out
