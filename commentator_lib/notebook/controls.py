"""The widgets of the control panel, made from the settings' own ranges and texts. They know nothing of sessions."""

from __future__ import annotations

import html
from collections.abc import Sequence

import ipywidgets
from ipywidgets import HTML, Button, Checkbox, Combobox, Dropdown, HBox, Layout, Text

from commentator_lib.profiles import PROFILES
from commentator_lib.settings import Settings, describe_range

BROWSER_CAMERA = "browser camera"
# Setting, label, step.
_SLIDERS = (
    ("pause_s", "Pause, s", 0.1),
    ("speech_max_new_tokens", "Token cap", 1),
    ("frame_stride", "Frame stride", 1),
    ("change_threshold", "Change threshold", 0.5),
)
_STYLE = {"description_width": "9em"}


class Controls:
    """All widgets below the picture.

    `rows` is their layout; `of_settings` maps the name of a setting to the widget that shows it. `commentators` are the
    names to choose from.

    While `showing` is true, the widgets change because `show` changes them, and not because of the user.
    """

    def __init__(self, source: str, commentators: Sequence[str]) -> None:
        # 1) The run: its source and its commentator.
        self.showing = False
        self.source = Combobox(
            value=source,
            options=["demo", BROWSER_CAMERA],
            ensure_option=False,
            description="Source",
            placeholder="clip, URL, device",
            style=_STYLE,
            layout=Layout(width="26em"),
            tooltip="a clip's path, a URL, a camera such as /dev/video0, demo, or browser camera",
        )
        self.commentator = Dropdown(options=list(commentators), description="Commentator", style=_STYLE)
        self.start = Button(description="Start", button_style="primary", tooltip="start a run")
        self.stop = Button(description="Stop", tooltip="end the run; everything is written", disabled=True)
        # 2) What it looks for.
        self.profile = Dropdown(
            options=[(p.label, name) for name, p in PROFILES.items()], description="Profile", style=_STYLE
        )
        self.instruction = Text(
            description="Instruction",
            style=_STYLE,
            layout=Layout(width="36em"),
            continuous_update=False,
            placeholder="what to watch for, or a question; empty: the profile's own",
        )
        self.ask = Button(description="Ask now", tooltip="a comment on this starts at once")
        # 3) The settings, and the file that they are saved in.
        self.sliders = {name: _slider(name, label, step) for name, label, step in _SLIDERS}
        self.policy = Dropdown(options=["playout", "serial"], description="Pacing", style=_STYLE)
        self.speech = Checkbox(description="Speech", indent=False, layout=Layout(width="8em"))
        self.file = Text("commentator.toml", description="Settings file", style=_STYLE)
        self.save, self.load = Button(description="Save"), Button(description="Load")
        self.message = HTML()
        # 4) Which widget shows which setting, and the layout.
        self.of_settings = {
            **self.sliders,
            "profile": self.profile,
            "policy": self.policy,
            "speech": self.speech,
        }
        self.rows = [
            _row(self.source, self.commentator, self.start, self.stop),
            _row(self.profile, self.instruction, self.ask),
            _row(*self.sliders.values(), self.policy, self.speech),
            _row(self.file, self.save, self.load),
            self.message,
        ]

    def show(self, settings: Settings) -> None:
        """Show these settings."""
        self.showing = True
        try:
            for name, control in self.of_settings.items():
                control.value = getattr(settings, name)
            self.instruction.value = settings.instruction
            if settings.commentator in self.commentator.options:
                self.commentator.value = settings.commentator
        finally:
            self.showing = False

    def say(self, text: str, wrong: bool = False) -> None:
        """Show one line below the controls; a screen reader announces a line that is `wrong` at once."""
        role = "alert" if wrong else "status"
        colour = "color: var(--jp-error-color0, #b71c1c)" if wrong else ""
        self.message.value = f'<span role="{role}" style="{colour}">{html.escape(text)}</span>'


def _row(*widgets: ipywidgets.Widget) -> HBox:
    return HBox(list(widgets), layout=Layout(flex_flow="row wrap"))


def _slider(name: str, label: str, step: float) -> ipywidgets.IntSlider | ipywidgets.FloatSlider:
    """Return a slider with the setting's range, default and description."""
    field = Settings.model_fields[name]
    low = next(m.ge for m in field.metadata if hasattr(m, "ge"))
    high = next(m.le for m in field.metadata if hasattr(m, "le"))
    kind = ipywidgets.IntSlider if field.annotation is int else ipywidgets.FloatSlider
    return kind(
        value=field.default,
        min=low,
        max=high,
        step=step,
        description=label,
        style=_STYLE,
        continuous_update=False,
        tooltip=f"{field.description}; {describe_range(name)}",
    )
