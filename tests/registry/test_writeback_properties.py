"""Any author's style, any change: the data is exactly what was asked for, and every other line is as it was."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass

import yaml
from hypothesis import event, given
from hypothesis import strategies as st

from evalkit.errors import WriteBackError
from evalkit.registry.writeback import edit
from evalkit.runtime.yaml_source import parse_yaml

# In what follows, @ is the indent inside a value, ¤ is a comment that nobody may lose, and one that begins with a
# plain # is text. A value that ends with a newline goes on with empty lines.

PLAIN = [
    "x",
    "014",
    "no",
    "1e3",
    "0.50",
    "-x",
    "~x",
    "a#b",
    "triage@v1",
    "http://x/#y",
    "status",
    "",
    "ž 😀 é",
    "a  b",
    "two\n@words",
    "\n@x",
    "don't",
    'say "x"',
    "2026-02-03",
]
QUOTED = [
    '"a # b"',
    "'it''s'",
    '"\\u00e9\\"\\\\"',
    "''",
    '"status: draft"',
    "'😀'",
    '"a\\\n@ b"',
    "'a\n\n@# b'",
    '"#\n@eval: {}"',
]
FLOW = [
    "{}",
    "[ ]",
    "{a: 1,b: [x, 'y']}",
    "[{a: 1} , b, ]",
    "{ max_tokens: 300 }",
    '{"a":1}',
    "{a, b: }",
    "[a: b]",
    "{ ¤\n@a: 1, ¤\n@¤\n@b: [x,\n@  y] }",
    "[\n@x, ¤\n\n@y\n@]",
    "{\n@eval: {a: 1}\n@, status: draft ¤\n@}",
]
NESTED = [
    "\n@a: 1",
    "\n@a:   1 ¤\n@¤\n\n@b:\n@  - x ¤\n@  - y",
    "\n@- a\n@- b: 1\n@  c: 2 ¤",
    "\n@- - a\n@  - b",
    " ¤\n@eval: {x: 1}\n@status: draft",
    "\n@? a\n@: b",
    "\n@t: |\n@  x\n@  # text\n@u: 1",
    "\n@x",
    "\n\n@¤\n@x",
]
BLOCK = [
    "|\n@a\n@# text\n@status: draft",
    "|-\n@a\n\n@  b",
    "|+\n@a\n\n\n",
    "> ¤\n@a\n@b",
    "|1\n@a",
    ">+ ¤\n@a\n\n",
    "|\n\n\n",
    "|\n@ž😀\n@eval: {suite: x}\n",
    "|\n@a\n@   \n",
    "|\n@a \u00a0\n",
    ">-\n@a\n\n@  # text\n\n\n",
    "\n@t: |+\n@  x\n\n",
]
AUTHOR = ["name", "version", "model", "params", "description", "prompt_ref", "tools_ref", "traffic"]
OWN = {
    "status": ["draft", '"draft"', "'draft'", "\n@draft", "", "~", "|\n@draft", ">-\n@dr\n@aft\n", "!!str draft", "staging", "a\n@b"],
    "approved_by": ["x", '"ž"', "", "null", "'a b'", "\n@x y", "no", "1", "|+ ¤\n@x\n\n", "[a]"],
    "eval": [
        "", "~", "{}", "{suite: x, score: 0.1}", "{ suite: 'x' , score: 1, run: \"r\", evidence: e, }", "{score: }",
        "{suite: s@v1, score: 0.5, run: r-1, evidence: e}", "{suite: x, by: me}", "{by: me, suite: x}", "{old: 1}",
        "{ ¤\n@suite: x, ¤\n@¤\n@score: 0.1 ¤\n@}", "{suite: x,\n@score: 1,\n@}", "{\n@suite: x }", "{suite: x\n@, score: 0.2}",
        "\n@suite: x", " ¤\n@¤\n@suite:   x ¤\n\n@score:   0.1\n@¤", "\n@by: me\n@suite: x\n@run:", "\n@- a\n@- b ¤",
        "\n@suite: |\n@  x\n@score: 1", "\n@suite: >+ ¤\n@  x\n\n", "\n@suite: x\n@by:\n@  - me", "none yet", "\n@evidence:",
        '{"suite":"x","score":1}', "\n@'suite' : x\n@\"score\" : 1", "\n@? suite\n@: x", "\n@- a ¤\n@- b", "{\n@by: me, ¤\n@at: x}",
    ],
    "canary": ["", "{verdict: clean, run: r}", "\n@verdict: clean ¤"],
}  # fmt: skip
SPACES = [" ", " ", "  ", "      ", "\t", " \t "]
DIRECTIVES = ["---\n", "--- ¤\n", "%YAML 1.1\n---\n", "--- !!map\n", "--- &root\n"]
ENDS = ["...\n", "... ¤\n", "...\n¤\n", "\n\n", "  ¤\n", "¤\n"]


@dataclass
class Author:
    """What one author wrote: parts, each with the key that owns its lines, or None between keys."""

    parts: list[tuple[str | None, str]]
    root: str
    newline: str
    bom: str

    @property
    def text(self) -> str:
        return self.bom + "".join(text for _, text in self.parts)


@st.composite
def authors(draw) -> Author:
    def pick(options):
        return draw(st.sampled_from(options))

    def sometimes(options, *, of=3):
        return pick(options) if pick(range(of)) == 0 else ""

    root = pick(["", "", "", " ", "   "])
    parts: list[tuple[str | None, str]] = []

    def between(*, indent: str = "  ") -> None:
        for _ in range(pick([0, 0, 0, 1, 2, 3])):
            parts.append(
                (None, pick(["\n", f"{indent}\n", f"{root}¤\n", f"{root}¤\n", f"{root}{indent}¤\n", "¤\n"]))
            )

    parts.append((None, sometimes(["¤\n", "¤\n\n¤\n"])))
    parts.append((None, sometimes(DIRECTIVES)))
    between()
    keys = draw(st.lists(st.sampled_from(AUTHOR), unique=True, min_size=1, max_size=4))
    own = draw(st.lists(st.sampled_from(list(OWN)), unique=True, max_size=4))
    keys = pick([draw(st.permutations(keys + own)), keys + own])
    anchors: list[str] = []
    for key in keys:
        value = pick(OWN.get(key) or pick([PLAIN, QUOTED, FLOW, NESTED, BLOCK]))
        if anchors and pick(range(4)) == 0:
            value = f"*{pick(anchors)}"
        elif pick(range(4)) == 0:
            anchors.append(key)
            value = f"&{key}{value}" if value[:2] in {"\n@", " ¤", ""} else f"&{key} {value}"
        gap = "" if value[:1] in {"", "\n", " "} else pick(SPACES)
        # Behind the first line of a block scalar only a comment may follow: those that have one say so above.
        is_block = re.search(r"(^|[\s:])[|>][-+0-9]*( ¤)?\n", value)
        tail = "" if is_block else pick(["", "", pick(SPACES), pick(SPACES) + "¤"])
        inner = root + pick([" ", "  ", "    ", "       "])
        name = pick([key, key, key, f'"{key}"', f"'{key}'"]) + pick([":", ":", " :", "  :"])
        # Empty lines below are part of the value only if the block scalar keeps them.
        body = value if "+" in value else value.rstrip("\n")
        parts.append((key, f"{root}{name}{gap}{body.replace('@', inner)}{tail}\n"))
        parts.extend([(None, "\n")] * (len(value) - len(body)))
        if not value.endswith("\n"):
            between(indent="" if is_block else "  ")  # deeper lines below a block scalar are its text
    parts.append((None, sometimes(ENDS, of=2)))
    newline = pick(["\n", "\n", "\r\n", "\r"])
    numbers = itertools.count()
    parts = [
        (key, re.sub("¤", lambda _: f"#{next(numbers)}é status: 😀 '\"", text).replace("\n", newline))
        for key, text in parts
        if text
    ]
    if pick(range(2)):
        key, text = parts.pop()
        parts.append((key, text.removesuffix(newline)))
    return Author(parts, root, newline, sometimes(["\ufeff"]))


WORDS = st.one_of(
    st.sampled_from(
        ["staging", "x", "no", "ž😀", "1", "a: b", "it's", "", "a # b", "014", "{x}", "a, b", "2026-07-24"]
    ),
    st.text(st.characters(exclude_categories=["C", "Z"]), max_size=8),
)
SCORES = st.one_of(st.floats(0, 1), st.sampled_from([0, 1, 1.0, 1e-5, 0.5]))
VALUES = {
    "status": WORDS,
    "approved_by": st.one_of(WORDS, WORDS, st.none()),
    "eval": st.one_of(
        st.fixed_dictionaries({"suite": WORDS, "score": SCORES, "run": WORDS, "evidence": WORDS}),
        st.fixed_dictionaries({"suite": WORDS, "score": SCORES}),
        st.just({"suite": "s@v1", "score": 0.5, "run": "r-1", "evidence": "e"}),
    ),
    "canary": st.one_of(st.none(), st.fixed_dictionaries({"verdict": WORDS, "run": WORDS})),
}
CHANGES = st.lists(st.sampled_from(list(VALUES)), unique=True, min_size=1).flatmap(
    lambda keys: st.fixed_dictionaries({key: VALUES[key] for key in keys})
)


def readings(text: str) -> dict[str, dict]:
    """By YAML 1.1, as two parsers take it, and by YAML 1.2's core rules."""
    text = text.removeprefix("\ufeff")
    source, problems = parse_yaml(text, "v14.yaml")
    assert not problems, problems
    found = {"registry": source.data, "C": yaml.load(text, Loader=yaml.CSafeLoader)}
    if "\t" not in text:  # the parser in Python takes no tabs
        found["Python"] = yaml.load(text, Loader=yaml.SafeLoader)
    return found


def typed(value):
    """1, 1.0 and true compare equal in Python; here they do not."""
    if isinstance(value, dict):
        return {key: typed(item) for key, item in value.items()}
    return [*map(typed, value)] if isinstance(value, list) else (type(value), value)


def comments(text: str) -> list[str]:
    return re.findall(r"#[0-9]+é status: 😀 '\"", text)


def ends_a_line(text: str) -> bool:
    return text.endswith(("\r", "\n"))


def outcome(text: str, changes: dict) -> str | WriteBackError:
    try:
        return edit(text.encode(), changes, path="v14.yaml").decode()
    except WriteBackError as error:
        return error


@given(author=authors(), changes=CHANGES)
def test_an_edit_changes_what_was_asked_and_no_other_line(author, changes):
    before = readings(author.text)
    after = outcome(author.text, changes)
    if isinstance(after, WriteBackError):
        event("refused")
        for problem in after.problems:
            assert (problem.code, problem.location.line > 0) == ("EK601", True)
        assert may_be_refused(author, changes), after
        return
    event("edited")

    removed = {key for key, value in changes.items() if value is None}
    now = readings(after)
    for reader in before.keys() & now.keys():
        wanted = {key: value for key, value in {**before[reader], **changes}.items() if key not in removed}
        assert typed(now[reader]) == typed(wanted)

    # The parts that are not asked for follow one another as they did. Between them: what is set, and new lines.
    new_lines = rf"(?:{author.root}(?:{'|'.join(changes)}): [^\r\n]*{author.newline})*"
    pattern = author.bom + new_lines
    mapping = False
    for key, text in author.parts:
        # New keys of a mapping go below the comments that are indented deeper than the last one.
        mapping = key in changes.keys() & {"eval", "canary"} or (
            mapping and key is None and text.lstrip(" ")[:1] in "#\r\n"
        )
        pattern += (
            r"[\s\S]*?" if key in changes or (mapping and key is None) else re.escape(text)
        ) + new_lines
    if not ends_a_line(author.text):
        pattern = pattern.removesuffix(new_lines) + f"(?:{author.newline}{new_lines.rstrip('*')}*)?"
        assert re.fullmatch(pattern, after) or re.fullmatch(pattern, after + author.newline)
    else:
        assert re.fullmatch(pattern, after)

    assert comments(after) == comments("".join(text for key, text in author.parts if key not in removed))
    assert removed or ends_a_line(after) == ends_a_line(author.text)
    assert set(re.findall(r"\r\n|\r|\n", after)) <= {author.newline}
    assert outcome(after, changes) == after


def may_be_refused(author: Author, changes: dict) -> bool:
    """Aliases, anchors, tags, and comments on what goes away inside a value are reasons to refuse.

    So is a removal that would make what stands below a part of the block scalar above.
    """
    own = [(key, text) for key, text in author.parts if key in changes]
    return any(
        re.search(r"[:\s][&*!]", text) or (comments(text) and key == "eval") or changes[key] is None
        for key, text in own
    )


FRAGMENTS = [
    "status", "eval", "a", "b", "draft", "{", "}", "[", "]", ",", ", ", ":", ": ", "- ", "? ", "# c\n", " #", "|", ">-", "|+", "\n",
    "\n", "\n  ", " ", "\t", "&a ", "*a", "!!str ", "!x ", "<<: ", "'", '"', "\\", "---\n", "...\n", "%YAML 1.1\n", "\r\n", "\r",
    "status: draft\n", "a: 1\n", "eval: {score: 1}\n", "eval:\n  score: 1\n", "\x85", "\u2028", "\u00a0", "\ufeff", "😀", "\x00", "~",
]  # fmt: skip


@given(
    author=authors(),
    slips=st.lists(
        st.tuples(st.floats(0, 1), st.sampled_from([0, 0, 1, 3]), st.sampled_from(FRAGMENTS)),
        min_size=1,
        max_size=3,
    ),
    changes=CHANGES,
)
def test_a_text_with_slips_of_the_keyboard_is_edited_as_asked_or_refused(author, slips, changes):
    text = author.text
    for place, length, slip in slips:
        at = int(place * len(text))
        text = text[:at] + slip + text[at + length :]
    after = outcome(text, changes)
    if isinstance(after, WriteBackError):
        event("refused")
        return
    event("edited")
    assert outcome(after, changes) == after
    try:
        old, new = (yaml.load(each.removeprefix("\ufeff"), Loader=yaml.CSafeLoader) for each in (text, after))
    except yaml.YAMLError:
        return  # a tag that this reader does not know: what was not touched may have it
    assert typed(new) == typed(
        {key: value for key, value in {**old, **changes}.items() if key not in changes or value is not None}
    )
