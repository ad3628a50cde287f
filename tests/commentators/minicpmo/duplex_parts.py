"""What the tests of MiniCPM-o in duplex share: its settings, faster seconds, and decisions that are prescribed.

The tiny model has random weights, which decide nothing that makes sense; where a test needs to know what the model
decides, it is prescribed token by token, and all else (pictures, sound, memory, voice) is computed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain, repeat

from commentator_lib.settings import load_settings
from tests.commentators.realtime import conftest as realtime

_DECISIONS = ("listen", "speak", "go_on", "chunk_end", "turn_end")


def settings_for(folder, **changes):
    return load_settings(
        environment={}, commentator="minicpmo-duplex", model_path=str(folder), device="cpu", **changes
    )


def let_seconds_pass_faster(monkeypatch):
    """Let a unit's second pass in a hundredth of it, and nothing be late: no test here judges how long it takes."""
    from commentator_lib.commentators.minicpmo_duplex import session

    monkeypatch.setattr(session, "UNIT_S", 0.01)
    monkeypatch.setattr("commentator_lib.commentators.realtime.deciding._STALE_S", 600.0)


def ids_of(tokenizer, words: Sequence[str]) -> list[int]:
    """Return the tokens of these words: the names of decisions, or letters to be said."""
    from commentator_lib.commentators.minicpmo_duplex.tokens import duplex_tokens

    tokens = duplex_tokens(tokenizer)
    return [
        token
        for word in words
        for token in (
            [getattr(tokens, word)]
            if word in _DECISIONS
            else tokenizer.encode(word, add_special_tokens=False)
        )
    ]


def says(model, *units):
    """Make the model pick these tokens (names, or letters of words), a tuple for each second; then it listens."""
    tokenizer = model.loaded.processor.tokenizer
    flat = [token for unit in units for token in ids_of(tokenizer, unit)]
    left = chain(flat, repeat(*ids_of(tokenizer, ["listen"])))

    def pick(_in_turn):
        token = next(left)
        model.decoder.force(token)
        return token

    vars(model.decoder)["pick"] = pick


def prescribe(monkeypatch, plan: Callable[[int], Sequence[str]]):
    """Let every model decide in the second number n of its session (1, 2, …) as `plan(n)` says, see `ids_of`.

    A second that goes on with a turn which was cancelled before listens. A plan that raises is a model that fails.
    """
    from commentator_lib.commentators.minicpmo_duplex.model import DuplexModel

    decide = DuplexModel._decide

    def prescribed(model, likely, cancel):
        words = plan(model._number)
        if words[0] == "go_on" and not model._in_turn:
            words = ("listen",)
        left = iter(ids_of(model.loaded.processor.tokenizer, words))

        def pick(_in_turn):
            token = next(left)
            model.decoder.force(token)
            return token

        with monkeypatch.context() as patch:
            patch.setattr(model.decoder, "pick", pick)
            return decide(model, likely, cancel)

    monkeypatch.setattr(DuplexModel, "_decide", prescribed)


def threads():
    return [thread for thread in threading.enumerate() if thread.name == "duplex"]


wait_until = partial(realtime.wait_until, timeout_s=60.0)  # a unit takes a while on a busy machine
