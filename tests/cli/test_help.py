from __future__ import annotations

import pytest


@pytest.mark.parametrize("name", ["check", "list", "show", "diff", "new", "schema"])
def test_help_explains_and_gives_examples(evalkit, name):
    result = evalkit(name, "--help")
    assert result.code == 0
    assert "Examples:" in result.out
    assert f"evalkit {name}" in result.out.partition("Examples:")[2]
