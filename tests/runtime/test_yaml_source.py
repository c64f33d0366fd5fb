from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.runtime.yaml_source import parse_yaml, read_yaml


def data(text: str):
    source, problems = parse_yaml(text, "f.yaml")
    assert problems == [], problems
    return source.data


def problem(text: str):
    _, problems = parse_yaml(text, "f.yaml")
    (found,) = problems
    return found


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("no", "no"),
        ("on", "on"),
        ("1:30", "1:30"),
        ("2025-01-01", "2025-01-01"),
        ("014", "014"),
        ("0x1f", "0x1f"),
        ("1_000", "1_000"),
        ("v3", "v3"),
        ("'1'", "1"),
        ("!!str 1", "1"),
        ("~", None),
        ("", None),
        ("true", True),
        ("False", False),
        ("1", 1),
        ("-7", -7),
        ("1.0", 1.0),
        ("1e-05", 1e-05),
        (".5", 0.5),
        ("[]", []),
        ("{}", {}),
    ],
)
def test_values_are_read_as_yaml_1_2_has_them(written, meant):
    found = data(f"a: {written}\n")["a"]
    assert (found, type(found)) == (meant, type(meant))


scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
)
documents = st.recursive(
    scalars | st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text("abc-_ é", min_size=1, max_size=5), inner, max_size=4)
    ),
    max_leaves=15,
)


@given(st.dictionaries(st.text("abcde", min_size=1), documents, min_size=1))
def test_json_is_read_as_the_data_it_is(value):
    assert data(json.dumps(value, ensure_ascii=False)) == value


@given(st.dictionaries(st.text("abcde", min_size=1), documents, min_size=1), st.data())
def test_every_value_can_be_located(value, draw):
    source, _ = parse_yaml(json.dumps(value, indent=1, ensure_ascii=False), "f.yaml")
    loc, inner = [], value
    while isinstance(inner, dict | list) and inner and draw.draw(st.booleans()):
        step = draw.draw(st.sampled_from(sorted(inner) if isinstance(inner, dict) else range(len(inner))))
        loc.append(step)
        inner = inner[step]
    place = source.locate(loc)
    text = source.text.splitlines()[place.line - 1][place.column - 1 :]
    written = json.dumps(inner, indent=1, ensure_ascii=False).splitlines()[0]
    assert text.startswith(written)


def test_a_byte_order_mark_shifts_no_column(tmp_path):
    path = tmp_path / "f.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\nb: [\n")
    _, (found,) = read_yaml(path, "f.yaml")
    assert (found.code, found.location.line) == ("EK101", 2)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: 1\nb: [1,\nc: 2\n", 2),
        ("a: { x: 1\nb: 2\n", 1),
        ("a: 1\nb: 'open\nc: 2\n", 2),
        ("a: 1\nb\nc: 2\n", 2),
        ("a: 1\n\tb: 2\n", 2),
        ("a: 1\nb: x: y\n", 2),
        ("a: 1\n b: 2\n", 2),
        ("a: *nobody\n", 1),
        ("a: 1\n---\nb: 2\n", 2),
        ("a: [1,\n  {2 3\n  5]\nb: 1\n", 2),
        ("a: 1\nb: @x\n", 2),
        ("a: 1\nb: \x07\n", 2),
    ],
)
def test_a_mistake_of_syntax_is_placed_where_it_was_made(text, line):
    found = problem(text)
    assert (found.code, found.location.line) == ("EK101", line)


def test_a_line_of_a_literal_block_is_the_line_of_the_file():
    source, _ = parse_yaml("a: 1\nm:\n  - content: |\n\n      one\n        two\n      three\n", "f.yaml")
    lines = source.data["m"][0]["content"].split("\n")
    places = [source.locate_in_block(("m", 0, "content"), number) for number in range(1, len(lines))]
    assert [(p.line, p.column) for p in places if p.line > 4] == [(5, 7), (6, 9), (7, 7)]
    assert lines[1:4] == ["one", "  two", "three"]


FOLDED = """\
m: >
  one
  one

  two
  two


  four
    five
    six
  seven
  seven

  eight
"""


def test_a_line_of_a_folded_block_is_the_line_where_it_begins():
    source, _ = parse_yaml(FOLDED, "f.yaml")
    for number, text in enumerate(source.data["m"].split("\n")[:-1], 1):
        if text:
            place = source.locate_in_block(("m",), number)
            assert FOLDED.splitlines()[place.line - 1].strip() == text.split()[0]


def test_an_alias_bomb_is_refused_quickly():
    levels = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    levels += [f"{c}: &{c} [{', '.join([f'*{p}'] * 9)}]" for p, c in zip("abcdefgh", "bcdefghi", strict=True)]
    assert problem("\n".join(levels)).code == "EK103"


def test_every_duplicate_is_reported_with_the_first_line():
    _, problems = parse_yaml("a: 1\nb: 2\na: 3\nb: 4\n", "f.yaml")
    assert [(p.code, p.location.line, p.hint) for p in problems] == [
        ("EK102", 3, "it is set on line 1 already"),
        ("EK102", 4, "it is set on line 2 already"),
    ]


@given(st.text())
def test_no_text_makes_the_reader_fail(text):
    source, problems = parse_yaml(text, "f.yaml")
    assert source.node is not None or problems
