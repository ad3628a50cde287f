"""The rows of a journal: all of them can be read, and few stay in memory."""

import json

import pytest

from commentator_lib.runs.rows import _KEPT, Rows


@pytest.mark.parametrize("count", [0, 3, _KEPT, 3 * _KEPT + 7])
@pytest.mark.parametrize("on_disk", [False, True])
def test_all_rows_can_be_read_in_order(tmp_path, count, on_disk):
    path = tmp_path / "rows.jsonl" if on_disk else None
    rows = Rows(path)
    for k in range(count):
        rows.append({"k": k})
        if path is not None:
            with open(path, "a", encoding="utf-8") as file:
                file.write(json.dumps({"k": k}) + "\n")
    assert len(rows) == count and [row["k"] for row in rows] == list(range(count))
    assert rows == [{"k": k} for k in range(count)]
    if count:
        assert rows[0] == {"k": 0} and rows[-1] == {"k": count - 1} and rows[1:3] == [{"k": 1}, {"k": 2}]
    assert len(rows._last) == (min(count, _KEPT) if on_disk else count)


def test_a_row_that_could_not_be_written_is_still_there(tmp_path):
    rows = Rows(tmp_path / "none.jsonl")
    rows.append({"k": 1})
    assert list(rows) == [{"k": 1}]
