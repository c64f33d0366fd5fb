from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.errors import WriteBackError
from evalkit.promote.records import add_record, records_in, remove_records

PATH = "registry/holds/triage.yaml"
A = {"digest": "sha256:" + "a" * 64, "reason": "slow", "by": "Ada"}
B = {"all": True, "reason": "holidays: none", "by": "Bo", "until": "2027-01-06"}

LAYOUTS = {
    "block": '# of ours\nholds:\n  # first\n  - digest: "{a}"\n    reason: slow  # really\n    by: Ada\n\n# the end\n',
    "indentless": "holds:\n- digest: {a}\n  reason: slow\n  by: Ada\n",
    "flow": "holds: [{{ digest: {a}, reason: slow, by: Ada }}]  # one\n",
    "flow lines": "holds: [\n  {{ digest: {a}, reason: slow, by: Ada }}\n]\n",
    "single": "# alone\ndigest: {a}\nreason: slow\nby: Ada\n",
    "no line break": "holds:\n  - digest: {a}\n    reason: slow\n    by: Ada",
    "windows": "holds:\r\n  - digest: {a}\r\n    reason: slow\r\n    by: Ada\r\n",
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_record_joins_a_list_in_any_style_and_the_rest_stays(layout):
    text = LAYOUTS[layout].format(a=A["digest"]).encode()
    after = add_record(text, "holds", B, PATH)
    assert records_in(after, "holds", PATH) == [A, B]
    for comment in (b"# of ours", b"# first", b"# really", b"# the end", b"# one", b"# alone"):
        assert text.count(comment) == after.count(comment)
    assert add_record(after, "holds", B, PATH) == after


@pytest.mark.parametrize("layout", LAYOUTS)
def test_removing_what_was_added_leaves_the_file_as_it_was(layout):
    text = LAYOUTS[layout].format(a=A["digest"]).encode()
    back = remove_records(add_record(text, "holds", B, PATH), "holds", [B], PATH)
    assert records_in(back, "holds", PATH) == [A]
    if layout not in {"single", "no line break"}:
        assert back == text


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_file_without_records_is_to_go(layout):
    text = LAYOUTS[layout].format(a=A["digest"]).encode()
    assert remove_records(text, "holds", [A], PATH) is None
    assert remove_records(text, "holds", [B], PATH) == text


def test_a_new_file_is_a_list():
    assert add_record(None, "holds", B, PATH) == (
        b'holds:\n  - all: true\n    reason: "holidays: none"\n    by: Bo\n    until: "2027-01-06"\n'
    )


def test_a_list_that_cannot_be_changed_says_what_to_write_by_hand():
    text = b"holds: &h\n  - {all: true, reason: x, by: &b Ada}\n  - {digest: x, reason: y, by: *b}\n"
    with pytest.raises(WriteBackError, match="nothing was written"):
        remove_records(text, "holds", [{"all": True, "reason": "x", "by": "Ada"}], PATH)


@given(st.text(max_size=40), st.lists(st.sampled_from("abc"), max_size=4))
def test_any_reason_reads_back(reason, others):
    text = None
    for other in others:
        text = add_record(text, "overrides", {"reason": other, "by": "Ada"}, PATH)
    wanted = {"reason": reason, "by": "x: y"}
    after = add_record(text, "overrides", wanted, PATH)
    assert wanted in records_in(after, "overrides", PATH)
