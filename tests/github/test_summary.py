"""Summaries, annotations, outputs and masks keep to GitHub's limits, and say what they leave out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.errors import Location, Problem
from evalkit.github.summary import SUMMARY_BYTES, annotate, cut, mask, set_output, write_summary

if TYPE_CHECKING:
    from pathlib import Path

NOTE = "\n_cut_\n"


@pytest.fixture
def summary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(path))
    return path


@pytest.fixture
def in_actions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")


def test_summaries_of_one_step_are_added_to_each_other(summary: Path) -> None:
    assert write_summary("## One")
    assert write_summary("## Two")
    assert summary.read_text() == "## One\n## Two\n"


def test_a_step_never_writes_more_than_github_keeps(summary: Path) -> None:
    section = "## Section\n\n" + "é" * 60_000 + "\n"
    results = [write_summary(section * 3) for _ in range(4)]
    assert results == [True, True, False, False]
    text = summary.read_bytes()
    assert len(text) <= SUMMARY_BYTES
    assert text.decode().count("The rest is in the log") == 2
    assert text.count(b"## Section") == 8


def test_outside_actions_nothing_is_written(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in ("GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT", "GITHUB_ACTIONS"):
        monkeypatch.delenv(name, raising=False)
    assert not write_summary("## One")
    set_output("name", "value")
    mask("a secret")
    annotate([Problem("EK101", "wrong")])
    assert capfd.readouterr() == ("", "")


def test_a_text_is_cut_where_a_section_ends() -> None:
    text = "intro\n\n## A\n\none\n\n## B\n\ntwo two two two\n"
    assert cut(text, 35, NOTE) == "intro\n\n## A\n\none\n\n" + NOTE
    assert cut(text, len(text), NOTE) == text


def test_a_heading_in_a_block_of_code_begins_no_section() -> None:
    text = "## A\n````\n```\n# comment\n````\n## B\n" + "x" * 50
    assert cut(text, 45, NOTE) == "## A\n````\n```\n# comment\n````\n" + NOTE
    assert cut(text, 20, NOTE) == NOTE


def test_a_first_section_that_is_too_long_is_cut_at_a_blank_line() -> None:
    assert cut("## A\n\none\n\n" + "x" * 100, 20, NOTE) == "## A\n\none\n" + NOTE


markdown = st.lists(
    st.sampled_from(["## A\n", "text\n", "\n", "```\n", "~~~\n", "````\n", "é" * 9 + "\n"]), max_size=30
).map("".join)


@given(text=markdown, limit=st.integers(0, 200))
def test_a_cut_text_fits_and_begins_as_the_whole_does(text: str, limit: int) -> None:
    found = cut(text, limit, NOTE)
    assert len(found.encode()) <= limit
    assert found == text or found == "" or text.startswith(found.removesuffix(NOTE))


def lines(capfd: pytest.CaptureFixture[str]) -> list[str]:
    out, err = capfd.readouterr()
    assert out == ""
    return err.splitlines()


def test_an_annotation_lies_beside_its_line(in_actions: None, capfd: pytest.CaptureFixture[str]) -> None:
    problem = Problem(
        "EK104", "unknown key 'parms'", Location("registry/a,b.yaml", 6, 3), "did you mean 'params'?"
    )
    annotate([problem], folder="llm/")
    place = "title=EK104,file=llm/registry/a%2Cb.yaml,col=3,line=6"
    text = "EK104 unknown key 'parms'%0A  help: did you mean 'params'?"
    assert lines(capfd) == [f"::error {place}::{text}"]


def test_a_place_without_a_line_and_a_problem_without_a_place(
    in_actions: None, capfd: pytest.CaptureFixture[str]
) -> None:
    annotate([Problem("EK1", "a", Location("x.yaml"), severity="warning"), Problem("EK2", "b")])
    assert lines(capfd) == [
        "::error title=EK2::EK2 b",
        "::warning title=EK1,file=x.yaml::warning EK1 a",
    ]


def test_the_worst_ten_of_each_kind_are_shown_and_the_rest_is_counted(
    in_actions: None, capfd: pytest.CaptureFixture[str]
) -> None:
    warnings = [Problem("EK1", f"w{number}", severity="warning") for number in range(12)]
    annotate([*warnings, *(Problem("EK2", f"e{number}") for number in range(11))])
    shown = lines(capfd)
    assert [line.partition(" ")[0] for line in shown] == ["::error"] * 10 + ["::warning"] * 10 + ["::notice"]
    assert shown[-1] == "::notice ::3 more in the log"


hostile = st.text(alphabet=st.sampled_from(list(":%#[]\n\r,=\x1b\u2028 ;ae")), max_size=40) | st.sampled_from(
    ["::set-output name=x::y", "a\n::add-mask::b", "##[error]c", "%0A::error::d", "a\r::stop-commands::x"]
)


@given(message=hostile, path=hostile)
def test_no_text_is_a_second_command(message: str, path: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        import io
        import sys

        patch.setenv("GITHUB_ACTIONS", "true")
        patch.setattr(sys, "stderr", stream := io.StringIO())
        annotate([Problem("EK1", message, Location(path, 1, 1), message)])
    text = stream.getvalue()
    assert text.startswith("::error title=EK1,file=")
    assert text.count("\n") == 1
    assert "\r" not in text
    head, _, rest = text.removeprefix("::").partition("::")
    assert "%" not in head.replace("%25", "").replace("%3A", "").replace("%2C", "").replace(
        "%0A", ""
    ).replace("%0D", "")
    assert "##[" not in rest


def test_an_output_may_have_several_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "output"
    monkeypatch.setenv("GITHUB_OUTPUT", str(path))
    set_output("matrix", "[1,\n2]")
    first, *middle, last = path.read_text().splitlines()
    assert first == f"matrix<<{last}"
    assert middle == ["[1,", "2]"]


def test_a_secret_of_several_lines_is_masked_line_by_line(
    in_actions: None, capfd: pytest.CaptureFixture[str]
) -> None:
    mask("-----BEGIN KEY-----\r\n  abcd%ef\n\nxy\nabcd%ef\n")
    assert lines(capfd) == ["::add-mask ::-----BEGIN KEY-----", "::add-mask ::abcd%25ef"]
