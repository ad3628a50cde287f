"""The console script's first steps: quit cleanly on a Ctrl-C while the packages are still loading, open stdout anew.

An interrupt in the middle of an extension module's import cannot be raised as KeyboardInterrupt by all of
them: some abort the interpreter. Nothing has been started then, so the process just ends.
"""

from __future__ import annotations

import os
import signal

from commentator_lib.standard_streams import prepare_standard_streams


def main() -> None:
    """Entry point of `commentator` and of `python -m commentator_lib`."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: os._exit(130))
    prepare_standard_streams()
    from commentator_lib.cli import main as command_line

    command_line()


if __name__ == "__main__":
    main()
