"""The console script's first step: quit cleanly on a Ctrl-C while the packages are still loading.

An interrupt in the middle of an extension module's import cannot be raised as KeyboardInterrupt by all of
them: some abort the interpreter. Nothing has been started then, so the process just ends.
"""

from __future__ import annotations

import os
import signal


def main() -> None:
    """Entry point of `commentator` and of `python -m commentator_lib`."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: os._exit(130))
    from commentator_lib.cli import main as command_line

    command_line()


if __name__ == "__main__":
    main()
