"""Hide what is secret in a URL before it is shown or logged."""

from __future__ import annotations

import re


def redact_url(name: str) -> str:
    """Return a URL without user and password, so that it may be shown and logged.

    >>> redact_url("rtsp://me:secret@10.0.0.2/cam")
    'rtsp://***@10.0.0.2/cam'
    """
    return re.sub(r"(?<=://)[^/?#]*@", "***@", name)  # a password may contain an @
