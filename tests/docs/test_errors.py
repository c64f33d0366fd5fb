from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
CODE = re.compile(r"EK\d{3}")


def sections() -> dict[str, str]:
    parts = re.split(r"^### (EK\d{3}) ", PAGE, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def test_every_code_in_the_source_has_a_section_and_no_other_has():
    used = {
        code
        for path in (ROOT / "evalkit").rglob("*.py")
        for code in CODE.findall(path.read_text(encoding="utf-8"))
    }
    assert used == set(sections())


def test_the_sections_are_in_order_and_each_stands_once():
    codes = re.findall(r"^### (EK\d{3}) ", PAGE, flags=re.MULTILINE)
    assert codes == sorted(set(codes))


def test_every_section_says_something():
    for code, text in sections().items():
        title, _, body = text.partition("\n")
        assert title, code
        assert len(body.split()) >= 6, code
        assert ("Before:" in body) == ("After:" in body), code


def test_links_lead_to_pages_that_exist():
    for target in re.findall(r"\]\(([^)#]+\.md)", PAGE):
        assert (ROOT / "docs" / target).is_file(), target
