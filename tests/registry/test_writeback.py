from __future__ import annotations

import pytest
import yaml

from evalkit.errors import WriteBackError
from evalkit.registry.writeback import edit
from evalkit.runtime.yaml_source import parse_yaml

EVAL = {"suite": "triage-eval@v4", "score": 0.94, "run": "r-1", "evidence": "sha256:ab"}
LINE = "eval: { suite: triage-eval@v4, score: 0.94, run: r-1, evidence: sha256:ab }"


def edited(text: str, **changes) -> str:
    return edit(text.encode(), changes, path="v14.yaml").decode()


def both_readings(text: str) -> tuple[object, object]:
    """By YAML 1.1 (PyYAML, in Python rather than in C) and by YAML 1.2's core rules (the registry's reader)."""
    text = text.removeprefix("\ufeff")
    source, problems = parse_yaml(text, "v14.yaml")
    assert not problems
    return yaml.load(text, Loader=yaml.SafeLoader), source.data


# The status flip: one scalar, in place

FLIPS = {
    "plain": ("status: draft\n", "status: staging\n"),
    "comment behind it": ("status: draft    # note\n", "status: staging    # note\n"),
    "comment that says the same": (
        "status: draft # draft | staging\n",
        "status: staging # draft | staging\n",
    ),
    "tab before the comment": ("status: draft\t# note\n", "status: staging\t# note\n"),
    "tab after the colon": ("status:\tdraft\n", "status:\tstaging\n"),
    "spaces behind it": ("status: draft   \n", "status: staging   \n"),
    "tab behind it": ("status: draft\t\n", "status: staging\t\n"),
    "aligned": ("name:       x\nstatus:     draft\n", "name:       x\nstatus:     staging\n"),
    "double quotes": ('status: "draft"\n', 'status: "staging"\n'),
    "single quotes": ("status: 'draft'  # q\n", "status: 'staging'  # q\n"),
    "escapes": ('status: "dr\\x61ft"\n', 'status: "staging"\n'),
    "quoted key": ('"status" : draft\n', '"status" : staging\n'),
    "single-quoted key": ("'status': draft\n", "'status': staging\n"),
    "space before the colon": ("status   : draft\n", "status   : staging\n"),
    "next line": ("status:\n  draft\n", "status:\n  staging\n"),
    "next line behind a comment": ("status: # why\n\n  draft # d\n", "status: # why\n\n  staging # d\n"),
    "no final newline": ("name: x\nstatus: draft", "name: x\nstatus: staging"),
    "final newlines": ("status: draft\n\n\n", "status: staging\n\n\n"),
    "crlf": ("name: x\r\nstatus: draft\r\nowner: y\r\n", "name: x\r\nstatus: staging\r\nowner: y\r\n"),
    "mixed line breaks": ("name: x\r\nstatus: draft\nowner: y\r", "name: x\r\nstatus: staging\nowner: y\r"),
    "carriage returns": ("name: x\rstatus: draft\rowner: y\r", "name: x\rstatus: staging\rowner: y\r"),
    "bom": ("\ufeffstatus: draft\n", "\ufeffstatus: staging\n"),
    "bom and crlf": ("\ufeffname: x\r\nstatus: draft\r\n", "\ufeffname: x\r\nstatus: staging\r\n"),
    "bom and comment": ("\ufeff# c\nstatus: draft # s", "\ufeff# c\nstatus: staging # s"),
    "astral before it": ("name: 😀𐍈 # 😀\nstatus: draft # 😀\n", "name: 😀𐍈 # 😀\nstatus: staging # 😀\n"),
    "document marks": ("%YAML 1.1\n---\nstatus: draft\n...\n", "%YAML 1.1\n---\nstatus: staging\n...\n"),
    "marks with comments": ("--- # a\nstatus: draft\n... # z\n", "--- # a\nstatus: staging\n... # z\n"),
    "comments behind the end": ("status: draft\n...\n# bye\n", "status: staging\n...\n# bye\n"),
    "indented root": ("  name: x\n  status: draft\n", "  name: x\n  status: staging\n"),
    "anchored root": ("&root\nstatus: draft\n", "&root\nstatus: staging\n"),
    "tagged root": ("--- !!map\nstatus: draft\n", "--- !!map\nstatus: staging\n"),
    "anchor nobody uses": ("status: &s draft # s\n", "status: &s staging # s\n"),
    "anchored key": ("&k status: draft\n", "&k status: staging\n"),
    "tag": ("status: !!str draft\n", "status: !!str staging\n"),
    "tag and anchor": ("status: !!str &s\n  draft\n", "status: !!str &s\n  staging\n"),
    "explicit key": ("? status\n: draft\n", "? status\n: staging\n"),
    "empty": ("status:\nname: x\n", "status: staging\nname: x\n"),
    "empty with comment": ("status:   # later\nname: x\n", "status: staging   # later\nname: x\n"),
    "empty with space": ("status: \n", "status: staging \n"),
    "empty at the end": ("name: x\nstatus:", "name: x\nstatus: staging"),
    "empty with indented comment": ("status:\n  # later\nname: x\n", "status: staging\n  # later\nname: x\n"),
    "empty with anchor": ("status: &s # later\n", "status: &s staging # later\n"),
    "null": ("status: null # later\n", "status: staging # later\n"),
    "tilde": ("status: ~\n", "status: staging\n"),
    "number": ("status: 1\n", "status: staging\n"),
    "literal block": ("status: |\n  draft\nname: x\n", "status: staging\nname: x\n"),
    "literal with comment": ("status: |-   # c\n  draft\n\nname: x\n", "status: staging   # c\n\nname: x\n"),
    "folded": ("status: >-\n  dr\n  aft\n\n\n# c\nname: x\n", "status: staging\n\n\n# c\nname: x\n"),
    "kept block": ("status: |+\n  draft\n\nname: x\n", "status: staging\nname: x\n"),
    "block without final newline": ("name: x\nstatus: |\n  draft", "name: x\nstatus: staging"),
    "block in crlf": ("status: >2\r\n    draft\r\nname: x\r\n", "status: staging\r\nname: x\r\n"),
    "empty block": ("status: |\n\n\nname: x\n", "status: staging\n\n\nname: x\n"),
    "plain over lines": ("status: dr\n  aft # c\nname: x\n", "status: staging # c\nname: x\n"),
    "quoted over lines": ('status: "dr\n\n  aft" # c\nname: x\n', 'status: "staging" # c\nname: x\n'),
    "list": ("status: [draft, x] # c\n", "status: staging # c\n"),
    "block list": ("status:\n- a\n- b # c\nname: x\n", "status: staging # c\nname: x\n"),
    "mapping": ("status: {a: 1} # c\n", "status: staging # c\n"),
    "block mapping": ("status:\n  a: |\n    t\n\nname: x\n", "status: staging\n\nname: x\n"),
    "flow root": ("{name: x, status: draft, owner: y}\n", "{name: x, status: staging, owner: y}\n"),
    "flow root over lines": (
        "{ name: x, # n\n  status: draft } # s\n",
        "{ name: x, # n\n  status: staging } # s\n",
    ),
    "flow root, empty": ("{status: , name: x}\n", "{status: staging , name: x}\n"),
    "json": ('{"name":"x","status":"draft"}', '{"name":"x","status":"staging"}'),
    "json null": ('{"status":null}', '{"status":"staging"}'),
    "the word elsewhere": (
        "status_note: draft\na: {status: draft}\nt: |\n  status: draft\nstatus: draft\n",
        "status_note: draft\na: {status: draft}\nt: |\n  status: draft\nstatus: staging\n",
    ),
    "colon in a comment": ("# status: draft\nstatus: draft\n", "# status: draft\nstatus: staging\n"),
    "aliases elsewhere": ("a: &a {x: 1}\nb: *a\nstatus: draft\n", "a: &a {x: 1}\nb: *a\nstatus: staging\n"),
    "no-break space behind it": ("status: |\n  draft\u00a0\nname: x\n", "status: staging\nname: x\n"),
}


@pytest.mark.parametrize(("before", "after"), FLIPS.values(), ids=FLIPS)
def test_a_status_flips_in_place(before, after):
    assert edited(before, status="staging") == after
    assert edited(after, status="staging") == after


# The eval block: new, filled, changed

EVALS = {
    "above status": ("name: x\nstatus: draft\n", f"name: x\n{LINE}\nstatus: draft\n"),
    "above approved_by and status": (
        "name: x\napproved_by: y # a\nstatus: draft\n",
        f"name: x\n{LINE}\napproved_by: y # a\nstatus: draft\n",
    ),
    "above the comment on status": (
        "name: x\n\n# one of\n# four\nstatus: draft\n",
        f"name: x\n\n{LINE}\n# one of\n# four\nstatus: draft\n",
    ),
    "below a comment apart from status": (
        "name: x\n# about x\n\nstatus: draft\n",
        f"name: x\n# about x\n\n{LINE}\nstatus: draft\n",
    ),
    "below the head of the file": ("# head\nstatus: draft\n", f"# head\n{LINE}\nstatus: draft\n"),
    "below a text that looks like a comment": (
        'name: "x\n\n# y"\nstatus: draft\n',
        f'name: "x\n\n# y"\n{LINE}\nstatus: draft\n',
    ),
    "status in the middle": ("status: draft\nname: x\n", f"status: draft\nname: x\n{LINE}\n"),
    "last, no final newline": ("status: draft\nname: x", f"status: draft\nname: x\n{LINE}"),
    "above status, no final newline": ("name: x\nstatus: draft", f"name: x\n{LINE}\nstatus: draft"),
    "last, crlf, no final newline": ("status: d\r\nname: x", f"status: d\r\nname: x\r\n{LINE}"),
    "crlf": ("name: x\r\nstatus: draft\r\n", f"name: x\r\n{LINE}\r\nstatus: draft\r\n"),
    "bom": ("\ufeffname: x\n", f"\ufeffname: x\n{LINE}\n"),
    "bom above the first line": ("\ufeffstatus: d\n", f"\ufeff{LINE}\nstatus: d\n"),
    "before the end mark": ("---\nname: x\n...\n", f"---\nname: x\n{LINE}\n...\n"),
    "before the end mark and an indented comment": (
        "name: x\n...\n  # c\n",
        f"name: x\n{LINE}\n...\n  # c\n",
    ),
    "before comments at the end": ("name: x\n# the end\n", f"name: x\n{LINE}\n# the end\n"),
    "comment at the end without newline": ("name: x\n# the end", f"name: x\n{LINE}\n# the end"),
    "behind comments inside the last value": (
        "p:\n  a: 1\n  # b: 2\n\n  # c: 3\n\n# the end\n",
        f"p:\n  a: 1\n  # b: 2\n\n  # c: 3\n{LINE}\n\n# the end\n",
    ),
    "behind an inner comment without newline": ("p:\n  a: 1\n  # b", f"p:\n  a: 1\n  # b\n{LINE}"),
    "behind empty lines": ("name: x\n\n\n", f"name: x\n{LINE}\n\n\n"),
    "behind blanks at the end": ("name: x\n   ", f"name: x\n{LINE}\n   "),
    "behind a literal block": ("t: |\n  a\n\n", f"t: |\n  a\n{LINE}\n\n"),
    "behind a kept block": ("t: |+\n  a\n\n", f"t: |+\n  a\n\n{LINE}\n"),
    "behind a block with a blank line": ("t: |\n  a\n     \n\n", f"t: |\n  a\n     \n{LINE}\n\n"),
    "above a block that ends the file": ("name: x\nt: |\n  a", f"name: x\n{LINE}\nt: |\n  a"),
    "behind a list without indent": ("t:\n- a\n- b # b\n", f"t:\n- a\n- b # b\n{LINE}\n"),
    "behind an empty value": ("name: x\nt:\n", f"name: x\nt:\n{LINE}\n"),
    "behind an empty value at the end": ("name: x\nt:", f"name: x\nt:\n{LINE}"),
    "behind an alias": ("a: &a [1]\nb: *a # b\n", f"a: &a [1]\nb: *a # b\n{LINE}\n"),
    "behind an alias on its own line": ("a: &a [1]\nb:\n  *a\n", f"a: &a [1]\nb:\n  *a\n{LINE}\n"),
    "behind a flow map over lines": ("p: {\n a: 1, # c\n } # d\n", f"p: {{\n a: 1, # c\n }} # d\n{LINE}\n"),
    "indented root": ("  name: x\n  status: d\n", f"  name: x\n  {LINE}\n  status: d\n"),
    "explicit key": ("name: x\n? status\n: d\n", f"name: x\n{LINE}\n? status\n: d\n"),
    "flow root": ("{name: x, status: d} # c\n", f"{{name: x, {LINE}, status: d}} # c\n"),
    "flow root over lines": (
        "{\n  name: x, # n\n  status: d, # s\n}\n",
        f"{{\n  name: x, # n\n  {LINE},\n  status: d, # s\n}}\n",
    ),
    "flow root without status": ("{ a: 1,\n  b: 2 }", f"{{ a: 1,\n  {LINE},\n  b: 2 }}"),
    "json": (
        '{"name": "x", "status": "d"}',
        (
            '{"name": "x", "eval": { "suite": "triage-eval@v4", "score": 0.94, "run": "r-1", '
            '"evidence": "sha256:ab" }, "status": "d"}'
        ),
    ),
    "empty": ("eval:\nstatus: d\n", f"{LINE}\nstatus: d\n"),
    "empty with comment": ("eval:    # by evalkit\n", f"{LINE}    # by evalkit\n"),
    "empty with a comment below": ("eval:\n  # by evalkit\na: 1\n", f"{LINE}\n  # by evalkit\na: 1\n"),
    "tilde": ("eval: ~ # none\n", f"{LINE} # none\n"),
    "text": ("eval: 'none yet' # n\n", f"{LINE} # n\n"),
    "braces": ("eval: {}\n", f"{LINE}\n"),
    "other keys": ("eval: {old: 1} # o\n", f"{LINE} # o\n"),
    "one line, same keys": (
        "eval: {evidence: x , suite: 'y',score:   0.1, run: \"z\"} # old\nstatus: d\n",
        "eval: {evidence: sha256:ab , suite: 'triage-eval@v4',score:   0.94, run: \"r-1\"} # old\nstatus: d\n",
    ),
    "one line, some keys": (
        "eval: {suite: x, score: 0.1} # old\n",
        "eval: {suite: triage-eval@v4, score: 0.94, run: r-1, evidence: sha256:ab} # old\n",
    ),
    "one line, more keys": (
        "eval: { by: me, suite: x, score: 0.1, run: 1, evidence: e, at: now }\n",
        "eval: { suite: triage-eval@v4, score: 0.94, run: r-1, evidence: sha256:ab }\n",
    ),
    "one line, last comma": (
        "eval: {suite: x, }\n",
        "eval: {suite: triage-eval@v4, score: 0.94, run: r-1, evidence: sha256:ab, }\n",
    ),
    "one line, empty values": (
        "eval: {suite: , score: }\n",
        "eval: {suite: triage-eval@v4 , score: 0.94, run: r-1, evidence: sha256:ab }\n",
    ),
    "braces over lines": (
        "eval: { # e\n  suite: x, # s\n  # about\n  score: 0.1 # t\n  # end\n} # z\n",
        (
            "eval: { # e\n  suite: triage-eval@v4, # s\n  # about\n  score: 0.94, # t\n  run: r-1,\n"
            "  evidence: sha256:ab\n  # end\n} # z\n"
        ),
    ),
    "braces over lines, last comma": (
        "eval: {\n  suite: x,\n  score: 0.1, # t\n}\n",
        "eval: {\n  suite: triage-eval@v4,\n  score: 0.94, # t\n  run: r-1,\n  evidence: sha256:ab,\n}\n",
    ),
    "braces closed on the last line": (
        "eval: {suite: x,\r\n       score: 0.1}\r\n",
        "eval: {suite: triage-eval@v4,\r\n       score: 0.94,\r\n       run: r-1,\r\n       evidence: sha256:ab}\r\n",
    ),
    "block, same keys": (
        (
            "eval: # by evalkit\n    # about\n    suite:    x   # s\n    score:    0.1\n\n    run:      '1'\n"
            "    evidence: e # e\n    # tail\nstatus: d\n"
        ),
        (
            "eval: # by evalkit\n    # about\n    suite:    triage-eval@v4   # s\n    score:    0.94\n\n"
            "    run:      'r-1'\n    evidence: sha256:ab # e\n    # tail\nstatus: d\n"
        ),
    ),
    "block, some keys": (
        "eval:\n  suite: x # s\n  score: 0.1\n\nstatus: d\n",
        "eval:\n  suite: triage-eval@v4 # s\n  score: 0.94\n  run: r-1\n  evidence: sha256:ab\n\nstatus: d\n",
    ),
    "block, more keys": (
        "eval:\n  at: now\n  suite: x # s\n  by:\n    - me\n  score: 0.1\nstatus: d\n",
        "eval:\n  suite: triage-eval@v4 # s\n  score: 0.94\n  run: r-1\n  evidence: sha256:ab\nstatus: d\n",
    ),
    "block, empty values": (
        "eval:\n  suite:\n  score: # s\n  run:\n  evidence:",
        "eval:\n  suite: triage-eval@v4\n  score: 0.94 # s\n  run: r-1\n  evidence: sha256:ab",
    ),
    "block, no final newline": (
        "eval:\n  suite: x\n  score: 0.1",
        "eval:\n  suite: triage-eval@v4\n  score: 0.94\n  run: r-1\n  evidence: sha256:ab",
    ),
    "block, crlf": (
        "eval:\r\n  suite: x\r\nstatus: d\r\n",
        "eval:\r\n  suite: triage-eval@v4\r\n  score: 0.94\r\n  run: r-1\r\n  evidence: sha256:ab\r\nstatus: d\r\n",
    ),
    "block, anchored": (
        "eval: &e\n  suite: x\n  score: 1\n  run: r\n  evidence: y\n",
        "eval: &e\n  suite: triage-eval@v4\n  score: 0.94\n  run: r-1\n  evidence: sha256:ab\n",
    ),
    "other block": ("eval:\n  old: 1\nstatus: d\n", f"{LINE}\nstatus: d\n"),
    "list": ("eval:\n  - a\n  - b # b\nstatus: d\n", f"{LINE} # b\nstatus: d\n"),
}


@pytest.mark.parametrize(("before", "after"), EVALS.values(), ids=EVALS)
def test_an_eval_is_written_in_its_authors_style(before, after):
    assert edited(before, eval=EVAL) == after
    assert edited(after, eval=EVAL) == after


def test_the_parts_stand_in_one_order_above_status():
    changes = {"approved_by": "Žofie", "canary": {"verdict": "clean", "run": "r"}, "eval": {"suite": "s@v1"}}
    expected = "name: x\neval: { suite: s@v1 }\ncanary: { verdict: clean, run: r }\napproved_by: Žofie\nstatus: staging\n"
    assert edited("name: x\nstatus: draft\n", status="staging", **changes) == expected
    step = "name: x\nstatus: draft\n"
    for key, value in {**changes, "status": "staging"}.items():
        step = edited(step, **{key: value})
    assert step == expected


def test_other_keys_go_to_the_end():
    assert edited("name: x\nstatus: d\n# end\n", traffic=30, control=True) == (
        "name: x\nstatus: d\ntraffic: 30\ncontrol: true\n# end\n"
    )


# Removal

REMOVALS = {
    "a line": ("a: 1\neval: {x: 1} # e\nb: 2\n", "a: 1\nb: 2\n"),
    "a block": ("a: 1\n# about\neval:\n  # in\n  x: 1\n\nb: 2\n", "a: 1\n# about\n\nb: 2\n"),
    "the last line": ("a: 1\neval: 1", "a: 1\n"),
    "the first line": ("\ufeffeval: 1\r\na: 1\r\n", "\ufeffa: 1\r\n"),
    "a literal block": ("eval: |\n  x\n\n\na: 1\n", "\n\na: 1\n"),
    "not there": ("a: 1 # c", "a: 1 # c"),
    "in braces": ("{a: 1, eval: 2, b: 3}\n", "{a: 1, b: 3}\n"),
    "last in braces": ("{a: 1, eval: 2 }\n", "{a: 1 }\n"),
}


@pytest.mark.parametrize(("before", "after"), REMOVALS.values(), ids=REMOVALS)
def test_none_removes_a_key_with_its_lines(before, after):
    assert edited(before, eval=None) == after


# Refusals

REFUSALS = {
    "alias": ("a: &a draft\nb: 1\nstatus: *a # s\n", "v14.yaml:3:9", "alias *a"),
    "alias in eval": ("s: &s x\neval:\n  suite: *s\n  score: 1\n", "v14.yaml:3:10", "alias *s"),
    "alias for eval": ("s: &s {suite: x}\neval: *s\n", "v14.yaml:2:7", "alias *s"),
    "anchor in use": ("status: &s draft\nb: *s\n", "v14.yaml:1:9", "&s"),
    "anchor in use on eval": ("eval: &e\n  suite: x\nb: *e\n", "v14.yaml:1:7", "&e"),
    "anchor in use inside eval": ("eval: {suite: &s x}\nb: *s\n", "v14.yaml:1:15", "&s"),
    "anchor in use inside what goes": ("eval: [&s x]\nb: *s\n", "v14.yaml:1:8", "&s"),
    "duplicate key": ("status: a\nb: 1\nstatus: c\n", "v14.yaml:3:1", "duplicate key 'status'"),
    "duplicate key elsewhere": ("status: a\nb:\n  x: 1\n  'x': 2\n", "v14.yaml:4:3", "duplicate key 'x'"),
    "comments in a list": ("eval:\n  - a # a\n  - b\n", "v14.yaml:2:3", "comments"),
    "comments in braces": ("eval: { # e\n  }\n", "v14.yaml:1:7", "comments"),
    "comment on a key that goes": ("eval:\n  suite: x\n  by: me # c\n", "v14.yaml:3:3", "comment on 'by'"),
    "comment near a key that goes": ("eval: {suite: x, by: me, # c\n at: now}\n", "v14.yaml:2:2", "comments"),
    "explicit key alone": ("a: 1\n? status\n", "v14.yaml:2:1", "no ':'"),
    "explicit compact mapping": ("? eval\n: by: me\n  suite: x\n", "v14.yaml:2:3", "does not begin its line"),
    "key alone in braces": ("{status, a: 1}\n", "v14.yaml:1:2", "no ':'"),
    "wrong tag": ("status: !!int 1\n", "v14.yaml:1:1", "read back"),
    "no mapping": ("- a\n- b\n", "v14.yaml:1:1", "not a mapping"),
    "text": ("status\n", "v14.yaml:1:1", "not a mapping"),
    "empty": ("", "v14.yaml:1:1", "empty"),
    "comments only": ("# a\n\n# b\n", "v14.yaml:1:1", "empty"),
    "no keys": ("{} # c\n", "v14.yaml:1:1", "no keys"),
    "broken": ("name: x\nstatus: [draft\n", "v14.yaml:2", "not valid YAML"),
    "tabs": ("name: x\n\tstatus: draft\n", "v14.yaml:2:1", "not valid YAML"),
    "two documents": ("status: draft\n---\nstatus: draft\n", "v14.yaml:2:1", "not valid YAML"),
    "control character": ("name: x\nstatus: dr\x07aft\n", "v14.yaml:2:11", "control character"),
    "undefined alias": ("status: draft\nb: *nowhere\n", "v14.yaml:2:4", "undefined alias"),
    "itself inside": ("&r\nstatus: draft\nb: *r\n", "v14.yaml", "nested"),
    "deep": ("status: draft\nb: " + "[" * 200 + "]" * 200, "v14.yaml:2", "nested"),
    "very deep": ("status: draft\nb: " + "[" * 100_000, "v14.yaml:2", "nest"),
    "very deep in blocks": ("status: draft\nb:\n" + "- " * 100_000, "v14.yaml:3", "nest"),
    "nest of aliases": (
        "status: draft\na0: &a0 [x]\n"
        + "".join(f"a{i}: &a{i} [{f'*a{i - 1},' * 9}]\n" for i in range(1, 30)),
        "v14.yaml",
        "expand",
    ),
}


@pytest.mark.parametrize(("text", "place", "words"), REFUSALS.values(), ids=REFUSALS)
def test_what_cannot_be_done_is_refused_with_its_place(text, place, words):
    with pytest.raises(WriteBackError) as caught:
        edited(text, eval={"suite": "s@v1"}, status="staging")
    problem = caught.value.problems[0]
    assert (problem.code, words in problem.message) == ("EK601", True), problem
    assert str(problem.location).startswith(place), problem
    assert problem.message.endswith("nothing was written")


def test_all_refusals_are_told_at_once_at_their_lines_in_the_file():
    text = "a: &a 1\neval: [x, # c\n  y]\napproved_by: *a\nstatus: draft\n"
    with pytest.raises(WriteBackError) as caught:
        edited(text, eval={"suite": "s@v1"}, approved_by="y", status="staging")
    assert [str(problem.location) for problem in caught.value.problems] == ["v14.yaml:2:7", "v14.yaml:4:14"]


@pytest.mark.parametrize(
    "raw", [b"status: draft\nname: \xff\n", "status: draft\n".encode("utf-16"), b"\x00", b"\xed\xa0\x80"]
)
def test_bytes_that_are_not_utf_8_text_are_refused(raw):
    with pytest.raises(WriteBackError):
        edit(raw, {"status": "staging"}, path="v14.yaml")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_score_that_is_no_number_is_refused(value):
    with pytest.raises(WriteBackError, match=r"eval\.score"):
        edited("status: draft\n", eval={"score": value})


# Values: written so that every reader reads them back

PLAIN = [
    "staging",
    "triage-eval@v4",
    "sha256:0f3a",
    "a b",
    "Žofie",
    "日本",
    "http://x/y",
    "/x",
    "e1",
    "1a",
    "x=y",
]
QUOTED = [
    "", " ", "a ", " a", "no", "No", "YES", "on", "off", "y", "N", "true", "False", "null", "Null", "~", "-", "--", "---",
    "1", "-1", "+1", "014", "0x1F", "0o17", "0b11", "1_000", "190:20:30", "1.5", ".5", "1.", "1e3", "1E-3", "1e+3", "12:30",
    ".inf", "-.INF", ".NaN", "2026-07-24", "2026-7-4", "2026-07-24T10:11:12Z", "2026-07-24 10:11:12", "=", "<<",
    "a: b", "a:", ":a", "a #b", "#a", "a,b", "[a", "a]", "{a}", "*a", "&a", "!a", "|", ">", "%a", "@a", "`a", "?", "? a", "- a",
    "a\nb", "a\n", "\ta", "a\tb", "a\\b", 'a"b', "a'b", "'", '"', "\x00", "\x07", "\x7f", "\x85", "\u2028", "\u2029", "\ufeff",
    "\u202e", "\ufffe", "\U000e0001", "😀", "a\u00a0b", "...", "\u200d", "e\u0301",
]  # fmt: skip
OTHER = [0, 1, -1, 10**30, 0.0, -0.0, 1.0, 0.1, 1e-5, 1e22, 1.5e-300, 1e16, 123456789.125, True, False]


@pytest.mark.parametrize("value", PLAIN)
def test_text_is_not_quoted_without_need(value):
    assert edited("k: 1\n", k=value) == f"k: {value}\n"
    assert edited("k: 1\n", k={"v": value}) == f"k: {{ v: {value} }}\n"


@pytest.mark.parametrize("value", QUOTED)
def test_text_that_a_reader_may_take_for_something_else_is_quoted(value):
    assert edited("k: 1\n", k=value).startswith('k: "')


@pytest.mark.parametrize(
    "template", ["k: 1\n", "{k: 1}\n", '{"k":"1"}', "k: 'x'\n", 'k: "x"\n', "k: {k: 'x'}\n", "a: 1", "{a: 1}"]
)
@pytest.mark.parametrize("value", [*PLAIN, *QUOTED, *OTHER], ids=repr)
def test_every_value_reads_back_as_it_is(template, value):
    for change in (value, {"k": value}, {"j": value}):
        text = edited(template, k=change)
        for data in both_readings(text):
            got = data["k"]
            assert (got, type(got)) == (change, type(change))
            if isinstance(change, dict):
                assert list(map(type, got.values())) == [type(value)]
        assert edited(text, k=change) == text


@pytest.mark.parametrize("key", ["no", "1", "a: b", "", "ключ", "2026-01-01", "a b"])
def test_a_key_that_needs_quotes_gets_them(key):
    text = edited("name: x\n", **{key: 1, "k": {key: 2}})
    for data in both_readings(text):
        assert data == {"name": "x", key: 1, "k": {key: 2}}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.940", 0.94),
        ("9.4e-1", 0.94),
        ("draft", "draft"),
        ("'draft'", "draft"),
        ("|-\n  draft", "draft"),
        ("*a", "draft"),
    ],
)
def test_a_value_that_reads_as_asked_is_left_as_it_is(text, value):
    document = f"a: &a draft\nb: {text}"
    assert edited(document, b=value) == document


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", 1.0), ("1", True), ("1.0", 1), ("true", "true"), ("no", "no"), ("1e-3", 1e-3), ("014", "014")],
)
def test_a_value_that_some_reader_takes_for_another_is_rewritten(text, value):
    after = edited(f"b: {text}\n", b=value)
    assert after != f"b: {text}\n"
    assert [type(data["b"]) for data in both_readings(after)] == [type(value)] * 2


class Text(str):
    __slots__ = ()


class Number(float):
    __slots__ = ()


def test_subclasses_of_plain_values_are_written_as_the_plain_values():
    assert edited("b: 1\n", b={Text("k"): Text("v"), "m": Number(0.5)}) == "b: { k: v, m: 0.5 }\n"
