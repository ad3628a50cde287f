"""Parse server-sent events from bytes.

The package httpx-sse is not used: it gives nothing until an event is complete, so a comment could not be cancelled
while pings and half events come; it keeps an event that never ends without a limit; and it drops a last event without
a blank line behind it. httpx's own lines are not used either: they also end at U+2028 and U+0085, which may occur in
the middle of a comment.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from commentator_lib.commentators.openai.refusals import OpenAIServerError

DONE = "[DONE]"
# An event holds a few words; what grows beyond this is no stream of a chat.
LONGEST_EVENT_BYTES = 1_000_000
# With sound it may hold all of a comment's, two minutes at most.
LONGEST_SOUND_BYTES = 12_000_000


def parse_sse_line(line: str) -> str | None:
    """Return the data of one line of server-sent events; None for comments, blank lines and other fields."""
    return line[5:].strip() if line.startswith("data:") else None


def sse_events(packets: Iterable[bytes], longest_bytes: int = LONGEST_EVENT_BYTES) -> Iterator[str]:
    """Yield the data of each event in a stream of bytes, however they are cut; "" for a packet that completes none.

    An event of several data lines comes in one piece. The last one needs no blank line behind it, but one
    that was cut short is left out. A byte order mark in front is skipped. Raise OpenAIServerError for an event of more
    than `longest_bytes`.
    """
    held = b""
    data: list[str] = []
    begins = True
    for packet in packets:
        # 1) Cut into lines.
        lines = (held + packet).splitlines(keepends=True)  # bytes: at \n, \r and \r\n, and nowhere else
        # A lone \r at the end may be the first half of \r\n.
        held = lines.pop() if lines and not lines[-1].endswith(b"\n") else b""
        # 2) A blank line, or the end mark, completes an event.
        completed = False
        for line in lines:
            text = line.decode("utf-8-sig" if begins else "utf-8", "replace").rstrip("\r\n")
            begins = False
            found = parse_sse_line(text)
            if data and (not text or found == DONE):
                yield "\n".join(data)
                completed, data = True, []
            if found == DONE:  # nothing comes after it, so do not wait for its blank line
                yield found
                return
            if found:
                data.append(found)
        if len(held) + sum(map(len, data)) > longest_bytes:
            raise OpenAIServerError("the server sent an event that does not end: is it a stream of a chat?")
        if not completed:
            yield ""
    # 3) What is left when the stream has ended.
    found = parse_sse_line(held.decode("utf-8-sig" if begins else "utf-8", "replace").rstrip("\r\n"))
    if found and found != DONE:
        data.append(found)
    if data and _is_whole(rest := "\n".join(data)):
        yield rest
    if found == DONE:
        yield found


def _is_whole(data: str) -> bool:
    try:
        json.loads(data)
    except ValueError:
        return False
    return True
