"""The table of sizes: what counts as too long, and that the reason is found in a file's docstring."""

from __future__ import annotations

import pytest

from experiments.errors import UserError
from experiments.tools.sizes import File, find_faults, read_folders

SHORT = [File(f"{k}.py", 100, "", ()) for k in range(5)]


def test_short_files_have_no_fault():
    assert find_faults(SHORT) == []


def test_a_long_file_needs_a_reason():
    (fault,) = find_faults([*SHORT, File("long.py", 401, "", ())])
    assert "long.py" in fault
    assert find_faults([*SHORT, File("long.py", 401, "Long because it is a table.", ())]) == []


def test_a_long_class_is_a_fault_wherever_it_stands():
    (fault,) = find_faults([*SHORT, File("it.py", 300, "", (("Big", 251), ("Fair", 250)))])
    assert "Big" in fault


def test_the_median_file_counts():
    (fault,) = find_faults([File("a.py", 201, "", ()), File("b.py", 300, "", ())])
    assert "median" in fault


def test_files_are_read_with_reason_and_classes(tmp_path):
    (tmp_path / "room").mkdir()
    (tmp_path / "room" / "__init__.py").write_text("")
    (tmp_path / "room" / "a.py").write_text(
        '"""Head.\n\nLong because of its table.\n"""\n\n\nclass A:\n    x = 1\n'
    )
    assert read_folders(tmp_path, ["room"]) == [
        File("room/a.py", 8, "Long because of its table.", (("A", 2),))
    ]
    with pytest.raises(UserError, match="no Python files"):
        read_folders(tmp_path, ["elsewhere"])
