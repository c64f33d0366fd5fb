"""Who is taken for whom."""

from __future__ import annotations

import pytest

from evalkit.promote.identity import approvers, is_same_person


@pytest.mark.parametrize(
    ("approver", "author"),
    [
        ("ann", "Somebody <ann@example.com>"),
        ("@ann", "Somebody <ANN@example.com>"),
        ("Ann", "ann <x@example.com>"),
        ("ann-lee", "Ann Lee <x@example.com>"),
        ("annlee", "Somebody <ann.lee@example.com>"),
        ("ann", "Somebody <ann+git@example.com>"),
        ("octo", "O <octo@users.noreply.github.com>"),
        ("octo", "O <123+octo@users.noreply.github.com>"),
        ("octo", "O <123-octo@users.noreply.gitlab.com>"),
        ("ann@example.com", "A <Ann@Example.com>"),
        ("ann@example.com", "A <1+ann@users.noreply.github.com>"),
        ("1+ann@users.noreply.github.com", "A <ann@example.com>"),
        ("Ann Lee <a@one.example>", "ann lee <b@two.example>"),
        ("Ann Lee", "Ann  Lee <b@two.example>"),
    ],
)
def test_these_are_the_same_person(approver, author):
    assert is_same_person(approver, author)


@pytest.mark.parametrize(
    ("approver", "author"),
    [
        ("bob", "Ann <ann@example.com>"),
        ("ann@one.example", "Ann Lee <ann@two.example>"),
        ("ann", "Joanna <joanna@example.com>"),
        ("me", "Ann <me@example.com>"),
        ("admin", "Ann <admin@example.com>"),
        ("users", "A <octo@users.noreply.github.com>"),
        ("", "Ann <ann@example.com>"),
        ("bob", " <>"),
        ("Ann Lee <a@one.example>", "Ann Dee <b@two.example>"),
    ],
)
def test_these_are_not(approver, author):
    assert not is_same_person(approver, author)


def test_several_approvers_are_separated_by_commas():
    assert approvers("ann, @bob ,") == ["ann", "@bob"]
