"""Prompts: Jinja2 that parses, uses what is declared, and uses nothing that a prompt has no business with."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from evalkit.registry.schema.base import close_match
from evalkit.runtime.template import template_environment

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jinja2 import nodes

    from evalkit.errors import Location
    from evalkit.registry.checks.file import Checked
    from evalkit.registry.schema import Prompt

__all__ = ["check_prompt"]

_TEMPLATE_TOKENS = ("{{", "{%", "{#")


def check_prompt(file: Checked[Prompt]) -> None:
    """Check every message's template against the declared variables."""
    declared = file.mapping("variables")
    messages = file.raw.get("messages")
    used: set[str] = set()
    complete = isinstance(messages, list)
    for index, message in enumerate(messages if isinstance(messages, list) else ()):
        content = message.get("content") if isinstance(message, dict) else None
        if not isinstance(content, str):
            complete = False
        elif any(token in content for token in _TEMPLATE_TOKENS):
            found = _check_template(file, index, content, set(declared))
            complete = complete and found is not None
            used |= found or set()
    for name in declared:
        if complete and name not in used:
            hint = "use it in a message, or remove it"
            file.warn(
                "EK303",
                f"the variable '{name}' is declared and never used",
                ("variables", name),
                hint,
                key=True,
            )


def _check_template(file: Checked[Prompt], index: int, content: str, declared: set[str]) -> set[str] | None:
    """Report what is wrong with one template, and return the variables it uses; None if it does not parse."""
    from jinja2 import TemplateSyntaxError, nodes

    loc = ("messages", index, "content")
    environment = template_environment()
    try:
        tree = environment.parse(content)
    except TemplateSyntaxError as error:
        place = file.source.locate_in_block(loc, error.lineno)
        file.report(
            "EK301", f"not a valid template: {error.message}", place, _syntax_hint(error.message or "")
        )
        return None
    except RecursionError:
        file.report("EK301", "the template is nested too deeply", loc)
        return None
    found = list(tree.find_all(nodes.Node))
    for node, message, hint in _unavailable(found):
        file.report("EK304", message, file.source.locate_in_block(loc, node.lineno), hint)
    read = [node for node in found if isinstance(node, nodes.Name) and node.ctx == "load"]
    free = _free(tree, found, {name.name for name in read})
    reported: set[str] = set()
    for name in read:
        if name.name in free and name.name not in declared and name.name not in reported:
            reported.add(name.name)
            place = _place_of_word(file, loc, name.lineno, name.name)
            guess = close_match(name.name, declared)
            hint = (
                f"did you mean '{guess}'?"
                if guess
                else f"declare it: variables: {{{name.name}: {{type: string}}}}"
            )
            file.report("EK302", f"the variable '{name.name}' is not declared", place, hint)
    return free


def _free(tree: nodes.Template, found: Sequence[nodes.Node], read: set[str]) -> set[str]:
    """The variables that a template takes from outside: all that it reads, unless it sets some itself."""
    from jinja2 import TemplateSyntaxError, meta, nodes

    set_here = {node.name for node in found if isinstance(node, nodes.Name) and node.ctx != "load"}
    if set_here:
        try:
            read = meta.find_undeclared_variables(tree)
        except TemplateSyntaxError:  # an unknown filter, which is reported
            read = read - set_here
    return read - set(template_environment().globals)


def _unavailable(found: Sequence[nodes.Node]) -> Iterator[tuple[nodes.Node, str, str | None]]:
    """What Jinja2 knows and prompts do not have: other templates, unknown filters and tests, private attributes."""
    from jinja2 import nodes

    environment = template_environment()
    for node in found:
        if isinstance(node, nodes.Include | nodes.Import | nodes.FromImport | nodes.Extends):
            what = {"FromImport": "import"}.get(type(node).__name__, type(node).__name__.lower())
            hint = "write the text out in this prompt"
            yield node, f"'{what}' reads another template, which a prompt cannot", hint
        elif isinstance(node, nodes.Filter | nodes.Test):
            kind = "filter" if isinstance(node, nodes.Filter) else "test"
            known = environment.filters if kind == "filter" else environment.tests
            if node.name not in known:
                guess = close_match(node.name, known)
                yield (
                    node,
                    f"no {kind} is called '{node.name}'",
                    f"did you mean '{guess}'?" if guess else None,
                )
        elif isinstance(node, nodes.Getattr | nodes.Getitem):
            attribute = _attribute(node)
            if attribute is not None and attribute.startswith("_"):
                yield node, f"the attribute '{attribute}' is private, and the sandbox refuses it", None


def _attribute(node: Any) -> str | None:
    from jinja2 import nodes

    if isinstance(node, nodes.Getattr):
        return node.attr
    is_text = isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str)
    return node.arg.value if is_text and node.arg.value.startswith("__") else None


def _place_of_word(file: Checked[Prompt], loc: tuple[str | int, ...], line: int, word: str) -> Location:
    """Where a word stands in a block scalar; the line's first character where the file shows it otherwise."""
    from evalkit.errors import Location

    place = file.source.locate_in_block(loc, line)
    lines = file.source.text.splitlines()
    text = lines[place.line - 1] if place.line <= len(lines) else ""
    match = re.compile(rf"(?<![\w.]){re.escape(word)}(?!\w)").search(text, place.column - 1)
    return Location(place.path, place.line, match.start() + 1) if match else place


def _syntax_hint(message: str) -> str | None:
    if "unexpected end of template" in message.lower() or "Unexpected end" in message:
        return "close what is open: {% endif %}, {% endfor %}, …"
    if "Encountered unknown tag" in message:
        return "write {% raw %}…{% endraw %} around braces that are text"
    if "expected token" in message:
        return "an expression is written {{ name }}; braces that are text need {% raw %}…{% endraw %}"
    return None
