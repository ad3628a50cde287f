"""A spoken question: the microphone's sound goes to the kernel, is written down there, and is asked."""

from __future__ import annotations

import wave

import numpy as np
import pytest

from commentator_lib.media import to_int16
from commentator_lib.sound.recognition import find_recogniser
from commentator_lib.voices.hibari import HibariVoice
from experiments.tools.browser import ALLOW_CAMERA, FAKE_CAMERA, chromium
from tests.notebook.page.conftest import button, drawn, talking, until
from tests.notebook.page.test_panel import TELLS

QUESTION = "Who is the man with the ball?"


@pytest.mark.skipif(find_recogniser() is None, reason="needs the extra listen")
def test_question_is_spoken_written_down_and_answered(lab, playwright, tmp_path):
    voice = HibariVoice()
    chunks = [to_int16(chunk.samples) for chunk in voice.speak(QUESTION)]
    sound = np.concatenate([np.zeros(voice.sample_rate_hz // 2, np.int16), *chunks])
    with wave.open(str(tmp_path / "question.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(voice.sample_rate_hz)
        file.writeframes(sound.tobytes())
    said = f"--use-file-for-fake-audio-capture={tmp_path / 'question.wav'}%noloop"
    with (
        chromium(playwright, *FAKE_CAMERA, *ALLOW_CAMERA, said) as browser,
        talking(lab, browser, [TELLS], permissions=("camera", "microphone")) as page,
    ):
        until(lambda: drawn(page) > 10)
        speak = button(page, "Speak")
        speak.click()
        until(lambda: speak.get_attribute("aria-pressed") == "true", "it listens")
        page.wait_for_timeout(1000 * (len(sound) / voice.sample_rate_hz + 1.0))
        speak.click()
        line = page.locator(".live-player .question")
        line.wait_for()
        words = line.locator("p").first.inner_text().lower()
        right = [word for word in ("who", "is", "the", "man", "with", "ball") if word in words]
        assert len(right) >= 4, words
        until(lambda: line.get_attribute("data-state") == "answered", "the answer")


@pytest.mark.skipif(find_recogniser() is None, reason="needs the extra listen")
def test_silence_is_no_question(lab, playwright, tmp_path):
    with wave.open(str(tmp_path / "silence.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(bytes(64_000))
    said = f"--use-file-for-fake-audio-capture={tmp_path / 'silence.wav'}"
    with (
        chromium(playwright, *FAKE_CAMERA, *ALLOW_CAMERA, said) as browser,
        talking(lab, browser, [TELLS], permissions=("camera", "microphone")) as page,
    ):
        until(lambda: drawn(page) > 10)
        button(page, "Speak").click()
        page.wait_for_timeout(1500)
        button(page, "Speak").click()
        page.wait_for_selector(".live-player .message.wrong:has-text('no words were understood')")
        assert page.locator(".live-player .question").count() == 0
