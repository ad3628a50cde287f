"""Messages of widgets as bytes."""

from __future__ import annotations

import math

import numpy as np
import pytest

from commentator_lib.serve.wire import WireError, pack, unpack


@pytest.mark.parametrize("buffers", [[], [b""], [b"abc", b"", bytes(range(256))]])
def test_a_message_comes_back_with_its_buffers(buffers):
    message = {"comm": "c", "msg": "custom", "content": {"kind": "x", "words": "Tor! ⚽ \ud800", "n": 1.5}}
    back, parts = unpack(pack(message, buffers))
    assert parts == buffers and back == {**message, "buffers": [len(b) for b in buffers]}


def test_what_json_has_no_number_for_is_null():
    message = {"a": math.nan, "b": [math.inf, (1.0, -math.inf)], "c": {"d": 2}}
    assert unpack(pack(message))[0] == {"a": None, "b": [None, [1.0, None]], "c": {"d": 2}, "buffers": []}


def test_arrays_are_buffers_too():
    samples = np.arange(5, dtype=np.int16)
    assert unpack(pack({}, [memoryview(samples)]))[1] == [samples.tobytes()]


GOOD = pack({"comm": "c", "msg": "update", "state": {}}, [b"12345"])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x01",
        b"\xff\xff\xff\xff",
        GOOD[:-1],
        GOOD + b"x",
        GOOD[:10],
        b"\x02\x00\x00\x00[]",
        b"\x02\x00\x00\x00{}",
        b"\x04\x00\x00\x00null",
        b"\x01\x00\x00\x00\xff",
        pack({})[:4] + b"\x00" * (len(pack({})) - 4),
        GOOD.replace(b"[5]", b"[-]"),
        GOOD.replace(b"[5]", b'"5"'),
        b"\x10\x00\x00\x00" + b'{"buffers":[-1]}',
        b"\x12\x00\x00\x00" + b'{"buffers":[true]}',
        b"\xa0\x86\x01\x00" + b"[" * 100_000,
    ],
)
def test_what_is_no_message_is_refused_in_one_line(data):
    with pytest.raises(WireError) as error:
        unpack(data)
    assert len(str(error.value)) < 60
