"""Keep of a model's answer what it says: without thoughts, tool calls, other turns, and the marks of chat templates.

Servers should take these out, and many do not, or not for every model. Each family of models has marks of its own, so
they are known here by their form and by the words in them and not by a list of models: `<think>`, `[THINK]`,
`<|begin_of_thought|>`, channels (`<|channel|>analysis<|message|>`), roles (`<|im_start|>assistant`), `</s>`.

Text comes in pieces that are cut anywhere, so a piece that may be the beginning of a mark is held back until it is
clear. What only looks like a mark ("x < y", "a <3 heart") is text.

Some templates open the thought in the prompt. Then the answer has only a closing mark, and until it comes nothing tells
a thought from words. `ThoughtFilter(holds=True)` holds all text back until then, or until the answer's end.
"""

from __future__ import annotations

import re
from enum import Enum, auto

_LONGEST_HEADER = 80  # characters; a role or channel with more is text

_TAG = re.compile(
    r"<</?SYS>>"
    r"|<[^<>\n]{1,90}>"
    r"|\[/?[A-Z][A-Z0-9_]{1,30}\]|\[\|\w{1,40}\|\]"
    r"|◁/?\w{1,30}▷"
)
# What may still become a mark once more text comes; only spaces within bars and before an attribute are part of one.
_MAYBE_TAG = re.compile(
    r"<(?:<(?:/?(?:S(?:Y(?:S>?)?)?)?)?)?"
    r"|</?[|｜][^<>\n]{0,80}"
    r"|</?\[?(?:[a-zA-Z0][\w:.▁\-]{0,80}[=|｜]?)?(?:=[^<>\n]{0,60}|(?<=[a-z])\s[^<>\n]{0,40})?\]?"
    r"|\[/?(?:[A-Z][A-Z0-9_]{0,30})?|\[\|\w{0,40}\|?"
    r"|◁/?\w{0,30}"
)
_THOUGHT = (
    r"(?:ant)?(?:think|thinking|thoughts?|reasoning|reflection|analysis|rationale|scratch_?pad|monologue"
    r"|chain_of_thought|cot|cot_budget_reflect)"
)
_THOUGHT_NAME = re.compile(rf"(?:\w+[:.])?(?:[a-z]+_)?{_THOUGHT}(?:_process|_content|_never_used_\w+)?")
_OPENS = re.compile(
    rf"(?:begin|start)(?:_of)?_{_THOUGHT}|{_THOUGHT}_(?:start|begin|prefix)|inner_prefix|unused94"
)
_CLOSES = re.compile(rf"(?:end|stop)(?:_of)?_{_THOUGHT}|{_THOUGHT}_(?:end|stop|suffix)|inner_suffix|unused95")
_CALL_NAME = re.compile(
    r"(?:\w+:)?(?:tool|function)_?calls?(?:_section)?(?:_begin|_start)?|function|python_tag|tool_response|invoke"
)
_CALL_END = re.compile(r"(?:\w+:)?(?:tool|function)_?calls?(?:_section)?_end")
_HIDDEN_NAME = re.compile(r"box(?:_start)?|quad(?:_start)?|/(?:box|quad)|(?:box|quad)_end")
_ROLE_MARK = re.compile(
    r"im_start|start_header_id|header_start|start_of_role|start_of_turn|start|turn|im_(?:system|user|assistant|tool)"
)
_HEADER_END = re.compile(r"end_header_id|header_end|end_of_role|im_middle|message")
_TURN_END = re.compile(
    r"im_end|eot|eot_id|eom|eom_id|end|return|call|end_of_turn|endofturn|end_of_turn_token|turn_end|eos|eod|endoftext|end_of_text"
    r"|end_of_sentence|end_of_utterance"
)
# Marks without bars that are none of the above.
_BARE_MARK = re.compile(
    r"s|eos|bos|pad|unk|sep|cls|mask|eod|eom|eot|im_end|end_of_(?:turn|text|utterance|image|video|audio|sentence)"
    r"|start_of_(?:image|video|audio)|endoftext|startoftext|fake_token_around_image|image|img|video|audio"
    r"|(?:image|audio|video)_(?:soft_token|pad|token|placeholder)|global[-_]img|row_\d+_col_\d+|unused\d+"
    r"|extra_id_\d+|0x[0-9a-f]{2}|(?:reserved|special)(?:_(?:special_)?token)?_\d+|(?:loc|seg)_?\d+|ref"
    r"|(?:seed:)?(?:bos|eos|pad)|\w+_never_used_\w+|(?:final_)?answer|response|output|final|solution|reply"
    r"|comment|commentary"
)
_SQUARE_MARK = re.compile(
    r"img|img_end|img_break|image|audio|begin_audio|eos|bos|pad|sep|cls|unk|mask|system_prompt|available_tools"
    r"|tool_results|unused_token_\d+|prefix|suffix|middle"
)
_SPEAKERS = {"model", "assistant", "gpt", "bot", "chatbot", "ai", "answer", "final"}
_OTHERS = {
    *(
        "user",
        "human",
        "prompter",
        "system",
        "developer",
        "tool",
        "tools",
        "function",
        "functions",
        "observation",
    ),
    *("ipython", "environment", "context", "document", "documents"),
}
# Marks that were lost, of which only the words are left: how the thought begins, and how it ends.
_LOST_MARKS = (
    ("analysis", re.compile(r"analysis(?=[A-Z\"'“‘(])"), re.compile(r"assistant\s?final")),
    (
        "Here is my thought process:",
        re.compile("Here is my thought process:"),
        re.compile("Here(?: is|'s) my response:"),
    ),
    (
        "Here's my thought process:",
        re.compile("Here's my thought process:"),
        re.compile("Here(?: is|'s) my response:"),
    ),
)
_LONGEST_LOST = 24  # characters of such an end


class _Kind(Enum):
    """What a mark does."""

    TOKEN = auto()  # is dropped, and changes nothing
    OPEN = auto()  # begins a thought
    CLOSE = auto()
    HIDE = auto()  # begins what is no thought and not to be said: a tool call, coordinates
    UNHIDE = auto()
    ROLE = auto()  # a role follows, as text
    SPEAKER = auto()  # a turn of the model begins
    OTHER = auto()  # a turn of somebody else begins
    CHANNEL = auto()  # a channel's name follows, as text
    HEADER_END = auto()
    TURN_END = auto()
    MEDIA = auto()  # a picture's place


def _kind(tag: str) -> _Kind | None:
    """Return what a mark does; None for text that only looks like one.

    >>> _kind("</think>").name, _kind("<|eot_id|>").name, _kind("<b>")
    ('CLOSE', 'TURN_END', None)
    """
    if tag in ("<<SYS>>", "<</SYS>>"):
        return _Kind.OTHER
    inner = tag[1:-1]
    bars = inner[:1] in "|｜" or inner[:2] in ("/|", "/｜") or inner[-1:] in "|｜"
    whole = inner.strip("|｜")
    slash = inner.startswith("/") or whole.startswith("/")
    name = re.sub(r"[\s▁]+", "_", whole.strip("/ ").strip("|｜[] ").lower()) if bars else _bare_name(whole)
    if not name:
        return None
    if tag[0] == "[" and not bars:
        return _square_kind(name, slash)
    bars = bars or tag[0] == "◁"
    return _thought_kind(name, slash, bars, inner) or (
        _barred_kind(name, slash, inner) if bars else _bare_kind(name, slash)
    )


def _bare_name(inner: str) -> str:
    """Return the name in a mark without bars; attributes are left out, for a thought and a function only."""
    name, *more = re.split(r"[\s=]", inner.strip("/[]").lower(), maxsplit=1)
    allowed = _THOUGHT_NAME.fullmatch(name) or _CALL_NAME.fullmatch(name)
    return "" if more and not allowed else name


def _thought_kind(name: str, slash: bool, bars: bool, inner: str) -> _Kind | None:
    if name == "channel" and bars and not (inner[:1] in "|｜" and inner[-1:] in "|｜"):
        return _Kind.OPEN if inner[:1] in "|｜" else _Kind.CLOSE  # <|channel>thought … <channel|>
    if _CLOSES.fullmatch(name):
        return _Kind.CLOSE
    if _OPENS.fullmatch(name) or _THOUGHT_NAME.fullmatch(name):
        return _Kind.CLOSE if slash else _Kind.OPEN
    if _CALL_END.fullmatch(name) or (_CALL_NAME.fullmatch(name) and slash):
        return _Kind.UNHIDE
    if _CALL_NAME.fullmatch(name):
        return _Kind.UNHIDE if inner[-1:] in "|｜" and inner[:1] not in "|｜" else _Kind.HIDE
    if _HIDDEN_NAME.fullmatch(name):
        return _Kind.UNHIDE if slash or name.endswith("_end") else _Kind.HIDE
    return None


def _barred_kind(name: str, slash: bool, inner: str) -> _Kind:
    if name == "turn" and inner[:1] not in "|｜":
        return _Kind.TURN_END
    for kind, names in (
        (_Kind.ROLE, _ROLE_MARK),
        (_Kind.HEADER_END, _HEADER_END),
        (_Kind.TURN_END, _TURN_END),
    ):
        if names.fullmatch(name):
            return kind
    speaker = name.removesuffix("_token").removesuffix("_start")
    if name == "channel":
        return _Kind.CHANNEL
    if speaker in _SPEAKERS:
        return _Kind.TOKEN if slash else _Kind.SPEAKER
    return _Kind.OTHER if speaker in _OTHERS and not slash else _Kind.TOKEN


def _bare_kind(name: str, slash: bool) -> _Kind | None:
    if name == "start_of_turn":
        return _Kind.ROLE
    if name in ("image", "video", "audio") and not slash:
        return _Kind.MEDIA
    if _TURN_END.fullmatch(name) and "_" in name:
        return _Kind.TURN_END
    return _Kind.TOKEN if _BARE_MARK.fullmatch(name) else None


def _square_kind(name: str, slash: bool) -> _Kind | None:
    if name == "inst":
        return _Kind.SPEAKER if slash else _Kind.OTHER
    if _THOUGHT_NAME.fullmatch(name):
        return _Kind.CLOSE if slash else _Kind.OPEN
    if name in ("tool_calls", "tool_call"):
        return _Kind.UNHIDE if slash else _Kind.HIDE
    return _Kind.TOKEN if _SQUARE_MARK.fullmatch(name) else None


class ThoughtFilter:
    """Gives out the words of one answer as its text comes, however that is cut.

    `holds`: hold all back until a thought closes, or until `rest`. It becomes False when that is decided.
    `thought`: there was a thought; `bare`: one that nothing opened; `called`: a tool call stood in the text.
    """

    def __init__(self, holds: bool = False) -> None:
        self.holds = holds
        self.thought = self.bare = self.called = False
        self._tail = ""  # may be the beginning of a mark
        self._kept = ""  # words that are held back
        self._header: str | None = ""  # text of a header so far; None outside one
        self._header_of: _Kind | None = None  # None: the answer's beginning, where marks may have been lost
        self._depth = 0  # of thoughts and calls that are open
        self._hidden = ""  # "thought", "call", "turn" or "channel": why text is not said; "": it is
        self._late: str | None = (
            None  # text after an inner mark that closed: words, if the outer one never closes
        )
        self._lost_end: re.Pattern[str] | None = None
        self._passed = ""  # the last characters of a thought whose marks were lost
        self._last = " "  # the last character that was given out or kept
        self._begins = True  # nothing was given out or kept yet, or something was left out since
        self._parts = False  # what was left out parts two sentences
        self._out: list[str] = []

    def push(self, text: str) -> str:
        """Return the words that may be said now and were not returned before."""
        self._tail += text
        held, at = self._tail, 0
        while at < len(held):
            start = next((k for k in range(at, len(held)) if held[k] in "<[◁"), len(held))
            self._text(held[at:start])
            at = start
            if at == len(held):
                break
            tag = _TAG.match(held, at)
            kind = _kind(tag[0]) if tag and _MAYBE_TAG.fullmatch(tag[0][:-1]) else None
            if tag and kind:
                self._mark(kind)
                at = tag.end()
            elif not tag and _MAYBE_TAG.fullmatch(held, at):
                break
            else:
                self._text(held[at])
                at += 1
        self._tail = held[at:]
        return self._given()

    def rest(self) -> str:
        """Return the words that were held back, once no more text comes."""
        tail, self._tail = self._tail, ""
        self._text(tail)
        self._end_header(None)
        if self._depth and self._late is not None:
            late, self._depth, self._hidden, self._late = self._late, 0, "", None
            self._leave_out(parts=True)
            self._show(late)
        kept, self._kept = self._kept, ""
        return self._given() + kept

    def _given(self) -> str:
        out, self._out = "".join(self._out), []
        return out

    # --- text

    def _text(self, text: str) -> None:
        """Take text without marks."""
        if text and self._header is not None:
            self._header += text
            self._read_header()
        elif text and not self._hidden:
            self._show(text)
        elif text and self._lost_end is not None:
            self._passed += text
            if end := self._lost_end.search(self._passed):
                rest, self._passed = self._passed[end.end() :], ""
                self._lost_end, self._hidden = None, ""
                self._leave_out(parts=True)
                self._text(rest)
            else:
                self._passed = self._passed[-_LONGEST_LOST:]
        elif self._late is not None:
            self._late += text

    def _show(self, text: str) -> None:
        if self._begins:
            if self._last.isspace():
                text = text.lstrip()
            if not text:
                return
            if self._parts and not self._last.isspace() and text[0].isalnum():
                text = " " + text
            self._begins = self._parts = False
        self._last = text[-1]
        if self.holds:
            self._kept += text
        else:
            self._out.append(text)

    def _leave_out(self, parts: bool = False) -> None:
        self._begins, self._parts = True, self._parts or parts
        if self.holds and parts and not self._kept.strip() and not self._hidden:
            self.holds = False  # this answer marks its thoughts

    # --- headers: what follows a mark, and belongs to it

    def _begin_header(self, of: _Kind) -> None:
        self._header, self._header_of = "", of

    def _read_header(self) -> None:
        """End the header where its text so far tells what it is."""
        text = self._header or ""
        if self._header_of is None:
            self._read_beginning(text.lstrip())
        elif self._header_of is _Kind.MEDIA:
            if not "./".startswith(text):
                self._end_header(text)
        elif (line_end := text.find("\n")) >= 0 and text[:line_end].strip():
            self._end_header(text[:line_end], text[line_end + 1 :])
        elif len(text) > _LONGEST_HEADER or (self._header_of is _Kind.ROLE and _is_no_role(text)):
            self._end_header("", text)

    def _read_beginning(self, text: str) -> None:
        for words, begins, ends in _LOST_MARKS:
            if found := begins.match(text):
                self._header, self._hidden, self._lost_end = None, "thought", ends
                self.thought = True
                self._text(text[found.end() :])
                return
            if words.startswith(text):
                return
        self._header = None
        self._text(text)

    def _end_header(self, text: str | None, rest: str = "") -> None:
        """Act on a header, `text` (None: what has come of it); `rest` is behind it."""
        if self._header is None:
            return
        of, header = self._header_of, self._header if text is None else text
        self._header = self._header_of = None
        word = re.split(r"[\s=<]", header.strip().lower(), maxsplit=1)[0]
        if of is _Kind.ROLE:
            if word in _OTHERS:
                self._hidden = "turn"
            elif " to=" in header:
                self._hidden, self.called = "channel", True
            elif word not in _SPEAKERS:
                rest = header + rest
        elif of is _Kind.CHANNEL:
            if " to=" in header:
                self.called = True
            spoken = word == "final" or (word == "commentary" and " to=" not in header)
            self._hidden = "" if spoken else "channel"
            self.thought = self.thought or not spoken
        elif of is None or header != "./":
            rest = header + rest
        if of is not None:
            self._leave_out(parts=of is not _Kind.MEDIA)
        self._text(rest)

    # --- marks

    def _mark(self, kind: _Kind) -> None:
        if self._header is not None:
            if self._header_of is _Kind.CHANNEL and kind is _Kind.TOKEN:
                return
            if self._header_of is None and kind is _Kind.HEADER_END:
                self._header_of = _Kind.CHANNEL  # "analysis<|message|>": its first mark was lost
            self._end_header(None)
        if kind in (_Kind.OPEN, _Kind.HIDE):
            self._open(kind)
        elif kind in (_Kind.CLOSE, _Kind.UNHIDE):
            self._close(kind)
        elif kind in (_Kind.ROLE, _Kind.CHANNEL):
            self._begin_turn("")
            self._begin_header(kind)
        elif kind in (_Kind.SPEAKER, _Kind.OTHER):
            self._begin_turn("turn" if kind is _Kind.OTHER else "")
            self._leave_out(parts=True)
        elif kind is _Kind.TURN_END and self._hidden in ("turn", "channel"):
            self._hidden = ""
            self._leave_out(parts=True)
        elif kind is _Kind.MEDIA and not self._hidden:
            self._begin_header(kind)
        else:
            self._leave_out()

    def _begin_turn(self, hidden: str) -> None:
        self._depth, self._hidden, self._lost_end, self._late = 0, hidden, None, None

    def _open(self, kind: _Kind) -> None:
        if not self._depth and self._hidden:
            return
        self._depth += 1
        if self._depth == 1:
            self._hidden = "thought" if kind is _Kind.OPEN else "call"
            self.thought = self.thought or kind is _Kind.OPEN
            self.called = self.called or kind is _Kind.HIDE
            self._leave_out(parts=kind is _Kind.OPEN)

    def _close(self, kind: _Kind) -> None:
        if self._depth:
            self._depth -= 1
            self._late = ""
            if not self._depth:
                was, self._hidden, self._late = self._hidden, "", None
                if was == "thought" and self._kept.strip():
                    self._drop_kept()
                self._leave_out(parts=was == "thought")
        elif kind is _Kind.CLOSE and not self._hidden:
            self._drop_kept()
            self._leave_out(parts=True)

    def _drop_kept(self) -> None:
        """Take what was said before for a thought, of which only the end was marked."""
        self.thought = self.bare = True
        if self.holds:
            self.holds, self._kept, self._last = False, "", " "


def _is_no_role(text: str) -> bool:
    """Return whether the text after a mark of a role names none."""
    word = re.match(r"\s*([A-Za-z]*)", text)
    found = word[1].lower() if word else ""
    known = _SPEAKERS | _OTHERS
    if word and word.end() < len(text):
        return found not in known
    return not any(name.startswith(found) for name in known)
