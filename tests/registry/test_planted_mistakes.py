"""Every mistake is found at its line: alone, and among all the others."""

from __future__ import annotations

from collections import Counter
from datetime import date
from pathlib import Path

import pytest
from mistakes import MISTAKES, SECRET
from planting import line_of, plant

from evalkit.evals.checks.everything import check_project
from evalkit.registry.project import Project

TODAY = date(2026, 6, 1)


def found(root: Path) -> set[tuple[str, int, str]]:
    report = check_project(Project(root), TODAY)
    return {(p.location.path, p.location.line, p.code) for p in report.problems if p.location}


def expected(root: Path, mistake) -> set[tuple[str, int, str]]:
    places = set()
    for path, marker, code in mistake.expected:
        line = line_of(root, path, marker)
        places.add((path, line, code))
    return places


def missing(root: Path, mistakes) -> dict[str, set[tuple[str, int, str]]]:
    reported = found(root)
    anywhere = {(path, code) for path, _, code in reported}
    left = {}
    for mistake in mistakes:
        # Without a marker the file as a whole is meant: some mistakes have a line all the same.
        unseen = {
            place
            for place in expected(root, mistake)
            if place not in reported and not (place[1] == 0 and (place[0], place[2]) in anywhere)
        }
        if unseen:
            left[mistake.name] = unseen
    return left


def test_the_project_without_mistakes_is_well(tmp_path):
    plant(tmp_path, [])
    assert check_project(Project(tmp_path), TODAY).problems == ()


def test_there_are_many_different_mistakes():
    names = Counter(mistake.name for mistake in MISTAKES)
    assert len(MISTAKES) >= 100
    assert max(names.values()) == 1
    assert len({code for mistake in MISTAKES for _, _, code in mistake.expected}) >= 45


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_a_mistake_is_reported_at_its_line(tmp_path, mistake):
    plant(tmp_path, [mistake])
    assert missing(tmp_path, [mistake]) == {}


def test_all_mistakes_are_reported_in_one_pass(tmp_path):
    plant(tmp_path, MISTAKES)
    assert missing(tmp_path, MISTAKES) == {}


def test_every_problem_says_what_is_wrong_in_words_and_no_secret_is_shown(tmp_path):
    plant(tmp_path, MISTAKES)
    for problem in check_project(Project(tmp_path), TODAY).problems:
        assert problem.location is not None, problem
        assert problem.message
        assert "\n" not in problem.message
        assert SECRET not in str(problem)
        assert "Bearer abc" not in str(problem)


def test_a_problem_is_reported_once(tmp_path):
    plant(tmp_path, MISTAKES)
    problems = check_project(Project(tmp_path), TODAY).problems
    assert len(problems) == len(set(problems))
