"""Measure a finished run against a file of timed text or events, in any format that `experiments.convert` reads.

`commentator run --truth FILE` does the same right after a run. The measures are printed, and written into truth.json
in the run's folder; docs/convert.md explains them.

    python -m experiments.measure runs/20261201-… --truth Labels-v2.json
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from commentator_lib.runs.report import format_table
from commentator_lib.truth.against import measure_folder
from commentator_lib.truth.base import TruthError
from experiments.errors import UserError
from experiments.tools.command_line import help_text, new_app, run_app

app = new_app()


@app.command(help=help_text(__doc__))
def main(
    run_folder: Annotated[Path, typer.Argument(help="A run's folder.")],
    truth: Annotated[Path, typer.Option(help="What happens in the clip.")],
    name: Annotated[
        str | None, typer.Option("--format", help="Its format. Default: told by its content.")
    ] = None,
) -> None:
    try:
        print(format_table(measure_folder(run_folder, truth, name)))
    except TruthError as error:
        raise UserError(str(error)) from None


if __name__ == "__main__":
    run_app(app, "measure")
