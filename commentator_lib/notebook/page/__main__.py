"""The command `python -m commentator_lib.notebook.page [SOURCE]`.

Exit codes: 0 ended by Ctrl-C, after everything was written; 1 a fault, such as a port in use; 2 bad input.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from commentator_lib.errors import named_first_line
from commentator_lib.notebook.page.panel_kernel import PanelError
from commentator_lib.notebook.page.server import serve
from commentator_lib.settings import SettingsError, load_settings, parse_assignment

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def page(
    source: Annotated[
        str, typer.Argument(help="A clip, a URL, a camera, or demo; it can be changed on the page.")
    ] = "demo",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")] = 8866,
    ip: Annotated[
        str, typer.Option(help="Address to listen on. 0.0.0.0 lets other machines in that have the link.")
    ] = "127.0.0.1",
    host: Annotated[
        list[str] | None,
        typer.Option(help="A further name by which browsers reach this machine; repeatable."),
    ] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Only print the link.")] = False,
    start: Annotated[bool, typer.Option("--start", help="Start the commentary at once.")] = False,
    duration: Annotated[float | None, typer.Option(help="Seconds after which a run ends.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for the runs' logs.")] = Path("runs"),
    settings_file: Annotated[Path | None, typer.Option("--settings", help="TOML file with settings.")] = None,
    preset: Annotated[str | None, typer.Option(help="Start from a preset.")] = None,
    assignments: Annotated[
        list[str] | None, typer.Option("--set", "-s", help="A setting, name=value; repeatable.")
    ] = None,
) -> None:
    """Show the live commentary as a page; all who have the link watch and steer the same run."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    logging.getLogger("tornado.access").setLevel(logging.ERROR)  # a page that asks for too much is no fault
    try:
        given: dict[str, Any] = dict(parse_assignment(text) for text in assignments or [])
        file = settings_file.resolve() if settings_file is not None else None
        load_settings(file, preset, **given)  # a mistake is told here, not in the panel's process
        given |= {"file": file and str(file), "preset": preset}
        asyncio.run(
            serve(
                source,
                given,
                runs_dir=out.resolve(),
                ip=ip,
                port=port,
                hosts=tuple(host or ()),
                duration_s=duration,
                start=start,
                browser=not no_browser,
            )
        )
    except SettingsError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(2) from None
    except (PanelError, OSError) as error:
        print(named_first_line(error) if isinstance(error, OSError) else error, file=sys.stderr)
        raise typer.Exit(1) from None


if __name__ == "__main__":
    app()
