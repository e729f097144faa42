import json

import pytest

from voxsiam.small_files import MOST_DEPTH, Limits, read_json, read_table, read_text


def written(tmp_path, text):
    path = tmp_path / "file"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_reads_what_people_write(tmp_path):
    value = {"a": [1, 2.5, None, True], "b": {"c": "ü, [x]"}}
    assert read_json(written(tmp_path, json.dumps(value))) == value
    assert read_json(written(tmp_path, "\ufeff" + json.dumps(value))) == value
    assert read_text(written(tmp_path, "ü\r\n")) == "ü\r\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "Expecting value"),
        (b"\xff\xfe", "utf-8"),
        ('{"a": 1, "b": 2, "a": 3}', "'a' occurs twice"),
        ("[" * 10**5, "nested deeper"),
        ("[" * (MOST_DEPTH + 1) + "]" * (MOST_DEPTH + 1), "nested deeper"),
        ('{"a":' * 900 + "1" + "}" * 900, "nested deeper"),
        ("[" + "{}," * 10**5 + "{}]", "more than 100,000 values"),
        ("1" * 5000, "digits"),
    ],
)
def test_json_that_is_none_or_too_much_is_refused(tmp_path, text, words):
    with pytest.raises(ValueError, match=words):
        read_json(written(tmp_path, text))


def test_the_deepest_that_is_allowed_is_read(tmp_path):
    assert read_json(written(tmp_path, "[" * MOST_DEPTH + "]" * MOST_DEPTH))


def test_a_file_above_its_limit_is_refused(tmp_path):
    with pytest.raises(OSError, match="too large: larger than 16 bytes"):
        read_json(written(tmp_path, " " * 17), Limits(16, 10))


def test_a_table_is_read_as_it_stands(tmp_path):
    text = 'a,b,c\n1, "2",3\n\n4\n5,6,7,8\n"x,\ny",z,\n'
    columns, rows = read_table(written(tmp_path, text))
    assert columns == ["a", "b", "c"]
    assert rows == [
        {"a": "1", "b": ' "2"', "c": "3"},
        {"a": "4", "b": "", "c": ""},
        {"a": "5", "b": "6", "c": "7"},
        {"a": "x,\ny", "b": "z", "c": ""},
    ]
    assert read_table(written(tmp_path, "")) == ([], [])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (",".join(f"c{n}" for n in range(150_000)) + "\n" + "a\n" * 100_000, "150,000 columns"),
        ("a\n" + "," * 1_000_001, "1,000,000 cells"),
        (",".join("abcdefghij") + "\n" + "x\n" * 100_001, "1,000,000 cells"),
        ("a\n" + "x" * 200_000, "field larger"),
    ],
)
def test_a_table_that_is_too_much_is_refused(tmp_path, text, words):
    with pytest.raises(ValueError, match=words):
        read_table(written(tmp_path, text))
