"""Names of version 0.1 that still work in this version, each with a DeprecationWarning.

Modules were moved and classes renamed in version 0.2. `from commentator_lib.desk import Desk` still finds what
is now `commentator_lib.notebook.control_panel.ControlPanel`.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

# Old module -> the modules that hold its names now.
_MODULES = {
    "browser_camera": ("sources.browser_camera",),
    "capture": (
        "sources.base",
        "sources.video",
        "sources.playlist",
        "sources.synthetic",
        "sources.open",
        "redact",
        "files",
    ),
    "check": (
        "checks.run_checks",
        "checks.browser",
        "checks.checkpoint",
        "checks.gpu",
        "checks.line",
        "checks.machine",
        "checks.packages",
        "checks.parts",
        "checks.server",
    ),
    "commentators.basic_eye": ("commentators.baseline.commentator", "commentators.baseline.boxes"),
    "commentators.detector": ("commentators.baseline.detector",),
    "commentators.openai_api": (
        "commentators.openai.commentator",
        "commentators.openai.answers",
        "commentators.openai.login",
        "commentators.openai.messages",
        "commentators.openai.models",
        "commentators.openai.retry",
        "commentators.openai.stream",
    ),
    "config": ("settings",),
    "desk": ("notebook.control_panel",),
    "export": ("runs.captions", "runs.export_video", "runs.log"),
    "loop": ("commentary.loop",),
    "meters": ("runs.meters",),
    "players.widget": ("players.browser",),
    "prompts": ("profiles", "commentary.prompts"),
    "recording": ("sources.recording", "sources.recorded"),
    "report": ("runs.report", "runs.figures"),
    "runlog": ("runs.record", "runs.log", "runs.reader", "runs.provenance"),
    "speech": ("commentary.speech",),
    "sync": ("pacing.delay",),
}
# Old name -> new name, in whichever module it is asked for.
_NAMES = {
    "BasicEye": "BaselineCommentator",
    "Desk": "ControlPanel",
    "MadeSource": "SyntheticSource",
    "Programme": "Playlist",
    "Recording": "RecordedSource",
    "Run": "SavedRun",
    "check": "run_checks",
    "without_password": "redact_url",
}


class _OldModules(MetaPathFinder, Loader):
    """Finds a module of the old names; asked only after every other finder has found nothing."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        package, _, name = fullname.partition(".")
        if package == "commentator_lib" and name in _MODULES:
            return ModuleSpec(fullname, self)
        return None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return ModuleType(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        old = module.__name__.partition(".")[2]
        new = [f"commentator_lib.{name}" for name in _MODULES[old]]
        warnings.warn(
            f"{module.__name__} is now {' and '.join(new)}; the old name is removed in the next version",
            DeprecationWarning,
            stacklevel=2,
        )

        def find(name: str) -> object:
            for home in map(importlib.import_module, new):
                if hasattr(home, wanted := _NAMES.get(name, name)):
                    return getattr(home, wanted)
            raise AttributeError(f"module {module.__name__!r} has no attribute {name!r}")

        vars(module)["__getattr__"] = find


def install() -> None:
    """Make the old module names importable; a second call does nothing."""
    if not any(isinstance(finder, _OldModules) for finder in sys.meta_path):
        sys.meta_path.append(_OldModules())
