import os

import pytest

from lib.study import yaml_file


def read(tmp_path, text):
    path = tmp_path / "s.yaml"
    path.write_text(text)
    return yaml_file.read(path)


def test_yaml_is_read_with_anchors_and_merged_mappings(tmp_path):
    text = "a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\nc: [*a, *a]"
    assert read(tmp_path, text)["b"] == {"x": 1, "y": 3}


@pytest.mark.parametrize("text", ["a: 1\nb: 2\na: 3", "{a: 1, b: 2, a: 3}", "x: {a: 1, a: 1}"])
def test_a_key_that_stands_twice_is_refused_in_one_line_too(tmp_path, text):
    with pytest.raises(ValueError, match="'a' appears twice"):
        read(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (
            "a: &a [x]\n"
            + "".join(
                f"{c}: &{c} [{f'*{b}, ' * 10}]\n"
                for b, c in zip("abcdefgh", "bcdefghi", strict=True)
            ),
            "aliases repeat",
        ),
        ("[" * 600, "nested too deeply"),
        ("a: " + "[" * 600 + "]" * 600, "nested too deeply"),
        ("a: &a [*a]", "contains itself"),
        ("a: 2024-13-45", "month must be"),
        ("a: [", "not valid YAML"),
        ("a: " + "9" * 5_000, "digits"),
    ],
)
def test_hostile_yaml_is_answered_at_once(tmp_path, text, why):
    with pytest.raises(ValueError, match=why):
        read(tmp_path, text)


def test_what_is_no_plain_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "s.yaml")
    with pytest.raises(ValueError, match="no plain file"):
        yaml_file.read(tmp_path / "s.yaml")


def test_a_large_file_is_no_study(tmp_path):
    with pytest.raises(ValueError, match="larger than 1 MB"):
        read(tmp_path, "x" * (yaml_file.LARGEST + 1))
