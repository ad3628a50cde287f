"""Hide what may be secret in URLs, in texts that quote them, and in FFmpeg's options, before they are shown or stored.

What is ambiguous is hidden: a name that shows too little costs less than one that shows a password. All functions leave
what they have hidden as it is, so that a text may pass through them twice.
"""

from __future__ import annotations

import re
import shlex

HIDDEN = "***"

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*://")
_HEAD = re.compile(r"[^/?#]*")
_PORT_AND_END = r"(?::\d{1,5})?(?=[/?#;]|$)"
# An address that can be nothing else, and whatever may be a host: it has a letter, so that "cam@4" is none.
_ADDRESS = re.compile(r"(?:\d{1,3}(?:\.\d{1,3}){3}|\[[\w:.%]*\]|localhost)" + _PORT_AND_END, re.IGNORECASE)
_HOST = re.compile(r"[\w.%\-]*[^\W\d][\w.%\-]*" + _PORT_AND_END)
_NUMBER = re.compile(r"\d+" + _PORT_AND_END)
# A host after "user:password@" without a scheme: a plain word is none, unless a path or a port follows it.
_SURE_HOST = r"(?:\[[\w:.%]+\]|[\w\-]+(?:\.[\w\-]+)+|localhost|[\w\-]+(?=[/:]))"
_WITHOUT_SCHEME = re.compile(r"(?<![\w/*])(?:[A-Za-z]+:/)?[^\s:/@*]+:[^\s@]+@(?=" + _SURE_HOST + ")")
_NAMED_SECRET = re.compile(
    r"(?<![A-Za-z0-9])((?:[\w\-]*[_\-])?(?:pass(?:wd|word|phrase)?|pwd|pw|(?:access|auth|api|stream)?(?:token|secret|key)"
    r"|auth|authorization|cookies?|headers?|sig|signature|stream_?id|playpath|credentials?)\s*=\s*)"
    r"(\"[^\"]*\"|'[^']*'|[^\s,;&'\"]+)",
    re.IGNORECASE,
)
_HEADER = re.compile(
    r"\b((?:proxy-)?authorization|(?:set-)?cookie|x-[\w\-]*(?:token|key|auth))(\s*:\s*)[^\r\n'\"]+", re.I
)
# What may follow a URL in a text and is no part of it.
_AFTER = ")}>'\"`,.;:!?"  # no ], which ends an IPv6 address
# A password with a space in it ends within so many characters.
_LONGEST_PASSWORD = 100
_PLAIN_NAME = re.compile(r"[A-Za-z][\w.\-\[\]]{0,31}")
# FFmpeg's options whose values are no secrets; those of any other are hidden.
# fmt: off
_HARMLESS_OPTIONS = frozenset((
    "allowed_media_types", "analyzeduration", "buffer_size", "channel", "err_detect", "fflags", "fifo_size",
    "flags", "framerate", "input_format", "latency", "live_start_index", "max_delay", "max_reload", "mode",
    "multiple_requests", "overrun_nonfatal", "pixel_format", "pkt_size", "probesize", "rcvlatency", "reconnect",
    "reconnect_at_eof", "reconnect_delay_max", "reconnect_streamed", "reorder_queue_size", "rtbufsize",
    "rtsp_flags", "rtsp_transport", "rw_timeout", "seekable", "stimeout", "thread_queue_size", "threads",
    "timeout", "tls_verify", "transtype", "ttl", "use_wallclock_as_timestamps", "video_size",
))
# fmt: on


def redact_url(name: str) -> str:
    """Return a source's name without what is secret in its URL, which goes to the name's end.

    Hidden are the user and the password, which may contain any character, the values of the query and the fragment, and
    the stream key in an RTMP path. A name without a URL stays as it is.

    >>> redact_url("rtsp://me:secret@10.0.0.2/cam")
    'rtsp://***@10.0.0.2/cam'
    >>> redact_url("https://example.org/clip.mp4?token=secret")
    'https://example.org/clip.mp4?token=***'
    """
    scheme = _SCHEME.search(name)
    if scheme is None:
        return name
    return name[: scheme.end()] + _redact_rest(scheme[0], name[scheme.end() :])


def redact_text(text: str) -> str:
    """Return a text, such as an error's, with each URL in it as `redact_url` shows it, and without named secrets.

    >>> redact_text("no answer from http://me:secret@h/x, password=secret")
    'no answer from http://***@h/x, password=***'
    """
    if not text:  # asked for again and again where nothing is wrong
        return text
    parts, at = [], 0
    while scheme := _SCHEME.search(text, at):
        parts.append(_redact_words(text[at : scheme.start()]))
        at = _end_of_url(text, scheme.end())
        parts.append(scheme[0] + _redact_rest(scheme[0], text[scheme.end() : at]))
    return "".join([*parts, _redact_words(text[at:])])


def split_options(options: str) -> list[str]:
    """Return the words of FFmpeg's options, NAME=VALUE with spaces between; quotes keep the spaces in a value.

    Raise ValueError where a quote has no end.

    >>> split_options("rtsp_transport=udp headers='X-Key: 7'")
    ['rtsp_transport=udp', 'headers=X-Key: 7']
    """
    lexer = shlex.shlex(options, posix=True, punctuation_chars="")
    lexer.whitespace_split = True
    lexer.commenters = lexer.escape = ""  # "#" and "\\" stand for themselves
    return list(lexer)


def redact_options(options: str) -> str:
    """Return FFmpeg's options, as `split_options` takes them, with the values of the harmless ones only.

    >>> redact_options("rtsp_transport=udp headers='Cookie: secret'")
    'rtsp_transport=udp headers=***'
    """
    try:
        words = split_options(options)
    except ValueError:
        words = options.split()
    shown = []
    for word in words:
        name, equals, value = word.partition("=")
        if name in _HARMLESS_OPTIONS and not re.search(r"[\s'\"]", value):
            shown.append(word)
        else:
            shown.append(
                f"{name}={HIDDEN}" if equals and _PLAIN_NAME.fullmatch(name) and value.strip("=") else HIDDEN
            )
    return " ".join(shown)


def _redact_rest(scheme: str, rest: str) -> str:
    """Return what follows a URL's scheme without what is secret."""
    if scheme.lower() == "file://":
        return rest
    # 1) User and password, and what is no port where a port should be.
    keyed = scheme.lower().startswith("rtmp")
    end = _end_of_user(rest, "[/?#;]" if keyed else "[?#;]")
    if end is None:
        return HIDDEN
    user, rest = f"{HIDDEN}@" if end else "", rest[end:]
    if not end:
        rest = _without_wrong_port(rest)
    # 2) A URL in the path, as proxies and relays have it.
    inner = _SCHEME.search(rest)
    if inner is not None and not re.search("[?#]", rest[: inner.start()]):
        return user + rest[: inner.end()] + _redact_rest(inner[0], rest[inner.end() :])
    # 3) Path, query and fragment.
    rest, hash_sign, fragment = rest.partition("#")
    path, mark, query = rest.partition("?")
    path = re.sub(r";([^=/;]+)=[^/;]*", rf";\1={HIDDEN}", path)
    if keyed:
        path, query = _without_key(path), HIDDEN if query else ""
    return user + path + mark + _redact_values(query) + hash_sign + (HIDDEN if fragment else "")


def _end_of_user(rest: str, before_secrets: str) -> int | None:
    """Return where the user info of a URL ends, behind its @: 0 where there is none, None where that is not sure.

    A password may hold a slash and then looks like a host with an @ in its path. It is not sure where the user info
    ends if, were it to end earlier, one of the characters `before_secrets` came before the @.
    """
    ends = [at.end() for at in re.finditer("@", rest)]
    head = _HEAD.match(rest)[0]  # type: ignore[index]  # it always matches
    hosts = [end for end in ends if _HOST.match(rest, end)]
    addresses = [end for end in ends if _ADDRESS.match(rest, end)]
    if "@" not in head:
        if not ends or _ADDRESS.match(rest) or (":" not in head and "." in head):
            return 0
        if ":" not in head:
            ends = hosts = [end for end in hosts if "." in _HEAD.match(rest, end)[0]]  # type: ignore[index]
    end = max(addresses or hosts or ends, default=0)
    others = [other for other in [0, *addresses, *hosts] if other < end and _may_be_host(rest, other)]
    if any(re.search(before_secrets, rest[other:end]) for other in others):
        return None
    return end if end == len(rest) or _may_be_host(rest, end) else None


def _may_be_host(rest: str, start: int) -> bool:
    """Return whether a host, or a number in place of one, begins there."""
    return bool(_HOST.match(rest, start) or _ADDRESS.match(rest, start) or _NUMBER.match(rest, start))


def _without_wrong_port(rest: str) -> str:
    """Return a URL's rest without what stands at the place of its port and is none, as in "me:secret/cam"."""
    head = _HEAD.match(rest)[0]  # type: ignore[index]
    host, colon, port = head.partition(":")
    if not colon or not port or port.isdigit() or head.startswith("["):
        return rest
    return f"{host}:{HIDDEN}{rest[len(head) :]}"


def _without_key(path: str) -> str:
    """Return host and path of an RTMP URL with its application alone: "h/live/***"."""
    host, *segments = path.split("/")
    segments = [segment for segment in segments if segment]
    shown = [*segments[:-1][:1], HIDDEN] if segments else []
    return "/".join([host, *shown])


def _redact_values(query: str) -> str:
    """Return a query without its values; what has none may be a token itself."""
    parts = re.split("([&;])", query)
    for k, part in enumerate(parts):
        name, _, value = part.partition("=")
        if part and part not in "&;":
            known = value.strip("=") and _PLAIN_NAME.fullmatch(name)
            parts[k] = f"{name}={HIDDEN}" if known else HIDDEN
    return "".join(parts)


def _end_of_url(text: str, start: int) -> int:
    """Return where a URL ends in a text: at white space, unless its password holds some."""
    end = _next_space(text, start)
    head = _HEAD.match(text[start:end])[0]  # type: ignore[index]
    _, colon, password = head.partition(":")
    if colon and not password.isdigit() and "@" not in text[start:end]:
        line_end = text.find("\n", end)
        near = min(end + _LONGEST_PASSWORD, len(text) if line_end < 0 else line_end)
        if (at := text.find("@", end, near)) >= 0:
            end = _next_space(text, at)
    return start + len(text[start:end].rstrip(_AFTER))


def _next_space(text: str, start: int) -> int:
    space = re.compile(r"\s").search(text, start)
    return len(text) if space is None else space.start()


def _redact_words(text: str) -> str:
    """Return a text without URLs also without other signs of a secret."""
    text = _WITHOUT_SCHEME.sub(f"{HIDDEN}@", text)
    text = _HEADER.sub(rf"\1\2{HIDDEN}", text)
    return _NAMED_SECRET.sub(rf"\g<1>{HIDDEN}", text)
