"""Reading JSON from an answer, and comparing JSON values."""

from __future__ import annotations

import json
from typing import Any, NoReturn

__all__ = ["NotJson", "fenced_block", "json_equal", "parse_json"]


class NotJson(ValueError):
    """The text is not one JSON document; the message says where it stops being one."""


def _refuse_constant(name: str) -> NoReturn:
    raise NotJson(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)


def parse_json(text: str, *, fenced: bool = False) -> Any:
    """The one JSON document (RFC 8259) that the text is.

    Args:
        text: A model's answer.
        fenced: Read the last Markdown code block, when the text has one, in place of the text.

    Raises:
        NotJson: It is none: syntax, NaN or Infinity, nested too deeply, a number of thousands of digits.
    """
    if fenced:
        block = fenced_block(text)
        text = text if block is None else block
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise NotJson(f"{error.msg} at line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise NotJson("it is nested too deeply") from None
    except NotJson:
        raise
    except ValueError:  # Python refuses integers of more than 4,300 digits
        raise NotJson("a number in it is too long") from None


def fenced_block(text: str) -> str | None:
    """What is inside the last complete ``` block, or None."""
    block: str | None = None
    opened: list[str] | None = None
    for line in text.splitlines(keepends=True):
        if not line.lstrip().startswith("```"):
            if opened is not None:
                opened.append(line)
        elif opened is None:
            opened = []
        else:
            block, opened = "".join(opened), None
    return block


def json_equal(left: Any, right: Any, *, ignore_case: bool = False) -> bool:
    """Whether two JSON values are the same: 10 equals 10.0, true never equals 1, keys have no order."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, str) and isinstance(right, str):
        return left == right or (ignore_case and left.casefold() == right.casefold())
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(
            json_equal(value, right[key], ignore_case=ignore_case) for key, value in left.items()
        )
    if isinstance(left, (list, tuple)) and isinstance(right, (list, tuple)):
        return len(left) == len(right) and all(
            json_equal(a, b, ignore_case=ignore_case) for a, b in zip(left, right, strict=True)
        )
    return bool(left == right)
