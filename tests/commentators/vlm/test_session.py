"""Image-text models in whole sessions and on the command line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from commentator_lib.session import LiveSession
from commentator_lib.settings import Settings
from tests.commentators.vlm.conftest import (
    SENTENCES,
    count_calls,
    generating,
)
from tests.conftest import Pictures, ToneVoice, still
from tests.test_session import eventually

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

ROOT = Path(__file__).resolve().parents[3]


def session(made, duration_s=6.0, mode="replay", voice=None, **more):
    chosen = {"change_threshold": 0.0, "pause_s": 0.2, **more}
    return LiveSession(
        Pictures(duration_s, still), Settings(**chosen), commentator=made, voice=voice, mode=mode
    )


def test_a_session_in_which_the_embedded_voice_speaks_its_sentences(commentator):
    made = commentator(says=SENTENCES)
    run = session(made, 8.0).run()
    spoken = run.log.cycles[run.log.cycles.outcome == "spoken"]
    assert len(spoken) >= 1 and set(spoken.text) == {SENTENCES} and set(spoken.heard_text) == {SENTENCES}
    row = spoken.iloc[0]
    assert row.speech_s > 2 and row.output_tokens == len(SENTENCES.split()) + 1
    assert row.image_tokens == 4 * row.frames and row.prompt_tokens > row.image_tokens
    assert row.preprocess_s > 0 and row.prefill_s > 0 and row.decode_s > 0
    assert row.first_sound_s < row.generated_s  # the first sentence sounds before the second was spoken
    assert run.log.header["commentator"] == made.name and made._loaded is None and generating() == []


def test_a_comment_without_memory_is_one_failed_row_and_the_session_goes_on(commentator):
    made = commentator(says=SENTENCES)
    made.warm_up()
    count_calls(
        made._loaded.model, 3, torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
    )
    rows = session(made, 8.0, voice=ToneVoice()).run().log.cycles
    rows = rows.sort_values("cycle", ignore_index=True)  # silent ones end before what is still heard
    assert list(rows.outcome[:2]) == ["failed", "spoken"] and "did not suffice" in rows.reason[0]
    assert rows.output_tokens[0] == 2


def test_a_session_that_is_stopped_in_mid_comment_leaves_no_thread(commentator):
    made = commentator(settings={"temperature": 1.0})
    made.warm_up()
    calls, _ = count_calls(made._loaded.model)
    run = session(made, 60.0, "live", ToneVoice(), text_max_new_tokens=1024, speech=False).start()
    assert eventually(lambda: len(calls) > 5)
    run.stop()
    assert not run.running and generating() == [] and made._loaded is None
    assert run.log.header["stopped_early"] and not run.log.header["notes"]


def run_command(folder, tmp_path):
    command = [sys.executable, "-m", "commentator_lib", "run", "demo", "-d", "2", "-s", "commentator=vlm"]
    return subprocess.run(
        [*command, "-s", "device=cpu", "-s", f"model_path={folder}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


@pytest.mark.slow
@pytest.mark.parametrize("when", ["before loading", "at loading"])
def test_the_command_line_says_it_in_one_line_and_ends_with_2(copied, tmp_path, when):
    (copied / ("config.json" if when == "before loading" else "chat_template.json")).unlink()
    done = run_command(copied, tmp_path)
    words = {"before loading": "it has no config.json", "at loading": "has no chat template"}[when]
    said = [line for line in done.stderr.splitlines() if line.startswith("commentator: ")]
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert len(said) == 1 and words in said[0] and done.stderr.rstrip().endswith(said[0])


def test_a_session_without_it_imports_none_of_it():
    code = (
        "import sys, commentator_lib.session, commentator_lib.commentators.vlm.commentator; "
        "print({'torch', 'transformers', 'PIL.Image', 'huggingface_hub'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "set()"
