from __future__ import annotations

import csv
import importlib
import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.errors import ConfigError, Location
from evalkit.evals.cases import iter_cases, iter_valid_cases, read_case
from evalkit.evals.suite import Columns, load_suite
from evalkit.registry.project import Project


def make(root: Path, cases: str = "cases.jsonl", columns: str = "") -> Path:
    folder = root / "suites" / "s" / "v1"
    folder.mkdir(parents=True, exist_ok=True)
    (root / "evalkit.yaml").write_text("{}\n")
    text = f"name: s\nversion: 1\ncases: {cases}\nscorers: [exact_match]\ngate: {{min_score: 0.9}}\n{columns}"
    (folder / "suite.yaml").write_text(text)
    return folder


def read(root: Path) -> tuple[list, list]:
    suite = load_suite(Project(root), "s@v1")
    cases, problems = [], []
    for case, found in iter_cases(suite, "suites/s/v1/cases"):
        cases += [case] if case else []
        problems += found
    if not problems:  # the run reads them again, faster
        assert list(iter_valid_cases(suite, "suites/s/v1/cases")) == cases
    return cases, problems


ROW = {
    "id": "a",
    "vars": {"ticket": "x"},
    "expected": "y",
    "tags": ["easy"],
    "cluster": "c",
    "must_pass": True,
}


def test_the_same_case_reads_the_same_from_every_format(tmp_path):
    pa = importlib.import_module("pyarrow")
    parquet = importlib.import_module("pyarrow.parquet")
    columns = "columns: {vars: [ticket], expected: expected, tags: [tags]}\n"
    flat = {"id": "a", "ticket": "x", "expected": "y", "tags": "easy", "cluster": "c", "must_pass": "true"}
    found = []

    def add(name: str, write, extra: str = "") -> None:
        folder = make(tmp_path / name.replace(".", "-"), name, extra)
        write(folder / name)
        cases, problems = read(tmp_path / name.replace(".", "-"))
        assert problems == [], name
        found.append([(c.id, c.vars, c.expected, c.tags, c.cluster, c.must_pass) for c in cases])

    def table(path: Path) -> None:
        out = io.StringIO()
        writer = csv.DictWriter(out, list(flat))
        writer.writeheader()
        writer.writerow(flat)
        path.write_text(out.getvalue())

    add("a.jsonl", lambda p: p.write_text(json.dumps(ROW) + "\n"))
    add("b.jsonl", lambda p: p.write_text(json.dumps(flat | {"must_pass": True}) + "\n"), columns)
    add("c.yaml", lambda p: p.write_text(json.dumps([ROW])))
    add("d.yaml", lambda p: p.write_text(json.dumps({"cases": [ROW]})))
    add("e.csv", table, columns)
    add("f.parquet", lambda p: parquet.write_table(pa.Table.from_pylist([flat]), p), columns)
    add("g.parquet", lambda p: parquet.write_table(pa.Table.from_pylist([ROW]), p))
    make(tmp_path / "inline", "\n  - " + json.dumps(ROW))
    cases, problems = read(tmp_path / "inline")
    assert problems == []
    found.append([(c.id, c.vars, c.expected, c.tags, c.cluster, c.must_pass) for c in cases])
    assert found == [[("a", {"ticket": "x"}, "y", ("easy",), "c", True)]] * 8


def test_reading_goes_on_after_a_bad_row_and_names_its_line(tmp_path):
    folder = make(tmp_path)
    rows = [
        json.dumps(ROW),
        "{broken",
        "",
        json.dumps(ROW | {"id": "b"}),
        '{"id": "c", "id": "d"}',
        '{"id": NaN}',
    ]
    (folder / "cases.jsonl").write_text("\n".join(rows))
    cases, problems = read(tmp_path)
    assert [case.id for case in cases] == ["a", "b"]
    assert [(p.code, p.location.line) for p in problems] == [("EK401", 2), ("EK401", 5), ("EK401", 6)]
    assert "duplicate key 'id'" in problems[1].message


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ({"vars": {}}, "EK105"),
        ({"id": ""}, "EK105"),
        ({"id": True}, "EK401"),
        ({"id": 1.5}, "EK401"),
        ({"id": "x" * 501}, "EK401"),
        ({"id": "a", "vars": ["x"]}, "EK401"),
        ({"id": "a", "tags": "easy"}, "EK401"),
        ({"id": "a", "tags": [1]}, "EK401"),
        ({"id": "a", "must_pass": "yes"}, "EK401"),
        ({"id": "a", "cluster": ["c"]}, "EK401"),
        ({"id": "a", "variables": {}}, "EK104"),
        (["a"], "EK401"),
        ("a", "EK401"),
    ],
)
def test_a_row_that_is_no_case_is_reported_at_its_place(row, code):
    place = Location("cases.jsonl", 3, 1)
    case, problems = read_case(row, 0, place, columns=None)
    assert case is None
    assert [(p.code, p.location) for p in problems] == [(code, place)]


def test_a_number_as_id_is_read_as_text():
    case, problems = read_case({"id": 7}, 0, Location("f"), columns=None)
    assert (case.id, problems) == ("7", [])


def test_columns_choose_rename_and_split(tmp_path):
    columns = Columns.model_validate(
        {
            "id": "nr",
            "vars": {"ticket": "text"},
            "expected": "queue",
            "tags": ["level", "where"],
            "must_pass": "hard",
        }
    )
    row = {
        "nr": "7",
        "text": "help",
        "queue": "q",
        "level": "easy; short",
        "where": "web",
        "hard": "yes",
        "other": "-",
    }
    case, problems = read_case(row, 0, Location("f"), columns=columns)
    assert problems == []
    assert (case.id, case.vars, case.expected, case.tags, case.must_pass) == (
        "7",
        {"ticket": "help"},
        "q",
        ("easy", "short", "web"),
        True,
    )


def test_without_columns_every_other_column_of_a_table_is_a_variable(tmp_path):
    folder = make(tmp_path, "cases.csv")
    (folder / "cases.csv").write_text("ticket,mood,expected\nhelp,bad,q\n")
    cases, problems = read(tmp_path)
    assert problems == []
    assert (cases[0].id, cases[0].vars, cases[0].expected) == (
        "row-1",
        {"ticket": "help", "mood": "bad"},
        "q",
    )


def test_a_column_that_is_not_there_is_said_once_at_the_suite(tmp_path):
    folder = make(tmp_path, "cases.csv", "columns:\n  vars: [tiket]\n  expected: quue\n")
    (folder / "cases.csv").write_text("id,ticket,queue\n" + "a,b,c\n" * 50)
    with pytest.raises(ConfigError) as caught:
        read(tmp_path)
    assert [(p.location.line, p.hint) for p in caught.value.problems] == [
        (8, "did you mean 'queue'?"),
        (7, "did you mean 'ticket'?"),
    ]


def test_a_csv_row_with_another_number_of_values_is_reported(tmp_path):
    folder = make(tmp_path, "cases.csv")
    (folder / "cases.csv").write_text('id,ticket\na,"two\nlines"\nb,one, two\nc,x\n')
    cases, problems = read(tmp_path)
    assert [case.id for case in cases] == ["a", "c"]
    assert [(p.code, p.location.line) for p in problems] == [("EK401", 4)]


@pytest.mark.parametrize(
    ("name", "content", "code", "line"),
    [
        ("cases.csv", b"id,ticket\na,\xe9\n", "EK107", 2),
        ("cases.csv", b"id,id\na,b\n", "EK102", 1),
        ("cases.csv", b"", "EK403", 1),
        ("cases.csv", b'id,t\na,"x"y\n', "EK401", 2),
        ("cases.yaml", b"cases: 3\n", "EK401", 1),
        ("cases.yaml", b"- [\n", "EK101", 1),
        ("cases.parquet", b"not parquet", "EK401", 0),
    ],
)
def test_a_file_that_cannot_be_read_is_one_problem_with_its_line(tmp_path, name, content, code, line):
    if name.endswith("parquet"):
        importlib.import_module("pyarrow")
    folder = make(tmp_path, name)
    (folder / name).write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        read(tmp_path)
    problem = caught.value.problems[0]
    assert (problem.code, problem.location.line) == (code, line)


def test_a_link_out_of_the_suite_is_not_followed(tmp_path):
    folder = make(tmp_path)
    (tmp_path / "secret.jsonl").write_text(json.dumps(ROW))
    (folder / "cases.jsonl").symlink_to(tmp_path / "secret.jsonl")
    with pytest.raises(ConfigError, match="EK108"):
        read(tmp_path)


def test_empty_cells_of_a_parquet_file_are_absent(tmp_path):
    pa = importlib.import_module("pyarrow")
    parquet = importlib.import_module("pyarrow.parquet")
    folder = make(tmp_path, "cases.parquet")
    rows = [ROW, {"id": "b", "vars": {"ticket": "z"}, "expected": None, "tags": None, "cluster": None}]
    parquet.write_table(pa.Table.from_pylist(rows), folder / "cases.parquet")
    cases, problems = read(tmp_path)
    assert problems == []
    assert (cases[1].expected, cases[1].tags, cases[1].cluster, cases[1].must_pass) == (None, (), None, False)


texts = st.text(st.characters(codec="utf-8", exclude_characters="\r"), min_size=1, max_size=20)


@given(st.lists(st.dictionaries(st.sampled_from(["ticket", "mood", "x"]), texts), min_size=1, max_size=5))
def test_jsonl_gives_back_the_variables_that_were_written(tmp_path_factory, rows):
    root = tmp_path_factory.mktemp("suite")
    folder = make(root)
    lines = (json.dumps({"id": f"c{i}", "vars": row}, ensure_ascii=False) for i, row in enumerate(rows))
    (folder / "cases.jsonl").write_bytes("\n".join(lines).encode())
    cases, problems = read(root)
    assert problems == []
    assert [case.vars for case in cases] == rows


def test_a_file_that_changes_between_the_check_and_the_run_is_refused(tmp_path):
    folder = make(tmp_path, "a.jsonl", "")
    (folder / "a.jsonl").write_text(json.dumps(ROW) + "\n")
    suite = load_suite(Project(tmp_path), "s@v1")
    (folder / "a.jsonl").write_text(json.dumps(ROW) + "\nnot JSON\n")
    with pytest.raises(ConfigError, match=r"cases:2:1: EK401 the case has changed"):
        list(iter_valid_cases(suite, "suites/s/v1/cases"))
