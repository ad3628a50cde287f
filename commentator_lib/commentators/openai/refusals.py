"""Requests that a server refuses or breaks off, and the reasons that it gives."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import urljoin, urlsplit

from commentator_lib.redact import redact_url

# HTTP statuses that may be over in a moment: too many requests, and a server that starts, restarts or is overloaded.
PASSING = {429, 500, 502, 503, 504}

# What a refusal of a value has in its words, where the parameter itself is known.
_TOO_MUCH = re.compile(
    r"too (?:large|high|big|small|low|long|many)|exceed|maximum|at most|context length", re.I
)
# Under which other words a server may refuse a parameter: vLLM with Mistral's tokenizers has no chat template at all.
_ALSO_CALLED = {"chat_template_kwargs": re.compile(r"chat[_ ]template|enable_thinking", re.I)}
# What the refusals of servers and models that take no sound have in their words.
_NO_SOUND = re.compile(rb"audio|content[ _-]?(type|part)|unsupported|not supported", re.IGNORECASE)
# What a chat template that has no place for a system message says, or the server for it; some answer with 500.
_NO_SYSTEM = re.compile(
    r"\bsystem\b.{0,40}\b(?:role|message|prompt)|\brole.{0,40}\bsystem\b|\broles must alternate", re.I
)


class OpenAIServerError(Exception):
    """A request that failed; one line.

    `passing`: it may be over in a moment. `wait_s`: for how long the server asked not to be asked again.
    """

    def __init__(self, message: str, passing: bool = False, wait_s: float | None = None) -> None:
        super().__init__(message)
        self.passing, self.wait_s = passing, wait_s


def beginning(packets: Iterable[bytes], longest_bytes: int) -> bytes:
    """Return the first bytes of a body; read no more of it than one packet beyond."""
    content = b""
    for packet in packets:
        content += packet
        if len(content) >= longest_bytes:
            break
    return content[:longest_bytes]


def refused_parameter(status: int, content: bytes, sent: Iterable[str]) -> str:
    """Return which of the parameters that were `sent` a refusal is for; "" for none of them.

    It is the one that the server names: as "param", by its place in the body (pydantic's "loc"), or in its words. A
    refusal of a value, such as of too many tokens, is none of the parameter.
    """
    if status not in (400, 422):
        return ""
    names, said = list(sent), server_message(content)
    if _TOO_MUCH.search(said):
        return ""
    try:
        body = json.loads(content)
    except ValueError:
        body = None
    named = [name for place in _places(body) for name in names if place == name]
    if named:
        return named[0]
    found = [(at.start(), name) for name in names if (at := re.search(rf"\b{re.escape(name)}\b", said))]
    if not found:
        found = [(0, name) for name in names if name in _ALSO_CALLED and _ALSO_CALLED[name].search(said)]
    return min(found)[1] if found else ""


def _places(body: Any) -> list[str]:
    """Return the parameters that a refusal names in its structure, outermost first."""
    if isinstance(body, list):
        return [place for entry in body for place in _places(entry)]
    if not isinstance(body, dict):
        return []
    places = [str(body["param"]).split(".")[0]] if body.get("param") else []
    if isinstance(body.get("loc"), list):
        places += [str(step) for step in body["loc"] if step != "body"][:1]
    return places + _places(body.get("error")) + _places(body.get("detail"))


def moved_to(location: str, asked: str, page: str) -> str:
    """Return the base URL to which a server has moved, without anything secret; "" where it does not say.

    `location` is what it answered to a request for `asked`, a URL that ends in `page`.
    """
    parts = urlsplit(urljoin(asked, location))
    if not location or not parts.hostname:
        return ""
    host = parts.netloc.rpartition("@")[2]
    return redact_url(f"{parts.scheme}://{host}{parts.path.rstrip('/').removesuffix(page).rstrip('/')}")


def refuses_sound(status: int, content: bytes) -> bool:
    """Return whether a refusal may be for `input_audio`, which not every server and model takes."""
    return status in (400, 422) and _NO_SOUND.search(content) is not None


def refuses_system(status: int, content: bytes) -> bool:
    """Return whether a refusal is for the system message, for which not every model's template has a place."""
    return status in (400, 422, 500) and _NO_SYSTEM.search(server_message(content)) is not None


def server_message(content: bytes) -> str:
    """Return what a server says of its refusal, in one line."""
    try:
        said = json.loads(content)
        said = said.get("error") or said.get("detail") or said if isinstance(said, dict) else said
        said = said.get("message", said) if isinstance(said, dict) else said
        if isinstance(said, list):
            said = "; ".join(map(_fault, said))
    except ValueError:
        said = content.decode("utf-8", "replace")
    return " ".join(str(said).split()) or "it does not say why"


def _fault(entry: Any) -> str:
    """Return an entry of pydantic's list of faults in words, without the input that it may repeat."""
    if not isinstance(entry, dict) or "msg" not in entry:
        return str(entry)
    where = ".".join(map(str, entry.get("loc") or ()))
    return f"{where}: {entry['msg']}" if where else str(entry["msg"])
