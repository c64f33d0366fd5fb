"""`python`: a function of the project's own, under the name that evalkit.yaml gives it.

A suite uses the name, never a path, so what may run is decided in one file. The function is

    def polite(output: str | None, expected, case_vars: dict, **args) -> float | bool | tuple[float | bool, str]

with a value in [0, 1]. What it raises, and any other value, makes the case unscored: a bug is no verdict.
"""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from hashlib import sha256
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from evalkit.evals.scorers.arguments import ComparingArguments, Text, did_you_mean
from evalkit.evals.scorers.base import Score, ScorerConfigError
from evalkit.evals.scorers.reading import shown, text_of
from evalkit.evals.scorers.unmeasurable import Unmeasurable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from evalkit.evals.case import Answer, Case

__all__ = ["CustomFunction", "CustomFunctionArguments", "load_function"]

_TARGET = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*:[^\W\d]\w*")


class CustomFunctionArguments(ComparingArguments):
    """Arguments of `python`."""

    main: ClassVar[str | None] = "name"

    name: Text
    """The name under `scorers` in evalkit.yaml."""
    args: dict[str, Any] = Field({})
    """Passed to the function as keyword arguments."""


class CustomFunction:
    """A registered function judges the answer."""

    Arguments = CustomFunctionArguments

    def __init__(self, args: CustomFunctionArguments, custom: Mapping[str, str], root: Path) -> None:
        if args.name not in custom:
            listed = f"registered are {', '.join(sorted(custom))}" if custom else "none is registered"
            raise ScorerConfigError(
                "name",
                f"no function is registered as `{args.name}`",
                did_you_mean(args.name, custom)
                or f"{listed}; add `scorers: {{{args.name}: package.module:function}}` to evalkit.yaml",
            )
        self._name = args.name
        self._function = load_function(custom[args.name], root)
        self._args = dict(args.args)
        try:
            inspect.signature(self._function).bind(None, None, {}, **self._args)
        except TypeError as error:
            raise ScorerConfigError(
                "args",
                f"`{args.name}` cannot be called with these arguments: {error}",
                "it gets (output, expected, case_vars) and `args` as keyword arguments",
            ) from None
        except ValueError:  # a builtin without a signature: only calling it tells
            pass
        self.version = _version(self._function)

    def check(self, case: Case) -> str | None:  # noqa: ARG002  # the protocol's signature
        """Every case can be scored: whether `expected` matters is the function's business."""
        return None

    def score(self, case: Case, answer: Answer) -> Score:
        """What the function returns."""
        try:
            returned = self._function(text_of(answer), case.expected, dict(case.vars), **self._args)
            value, reason = (
                returned if isinstance(returned, tuple) and len(returned) == 2 else (returned, None)
            )
            if hasattr(value, "item"):
                value = value.item()  # a scalar of numpy or torch
        except Exception as error:  # whatever a project's function raises, the run goes on
            raise Unmeasurable(f"`{self._name}` raised {type(error).__name__}: {error}") from error
        if not isinstance(value, (int, float)) or not 0 <= value <= 1:  # NaN fails it too; a bool is an int
            raise Unmeasurable(f"`{self._name}` returned {shown(returned)}, not a value between 0 and 1")
        return Score(float(value), None if reason is None else str(reason))


def load_function(target: str, root: Path) -> Callable[..., Any]:
    """The function `package.module:function`, imported from installed packages or the project's root.

    Raises:
        ScorerConfigError: It is no such name, it cannot be imported, or it is no plain function.
    """
    if not _TARGET.fullmatch(target):
        raise ScorerConfigError("name", f"`{target}` is not of the form `package.module:function`")
    module_name, _, function_name = target.partition(":")
    if str(root) not in sys.path:
        sys.path.append(str(root))  # at the end: a file of the project never replaces an installed package
    importlib.invalidate_caches()
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # importing runs the project's code, which may raise anything
        raise ScorerConfigError(
            "name",
            f"`{module_name}` cannot be imported: {type(error).__name__}: {error}",
            f"it is looked for in {root}",
        ) from error
    function = getattr(module, function_name, None)
    if not callable(function):
        hint = did_you_mean(function_name, (name for name in vars(module) if not name.startswith("_")))
        raise ScorerConfigError("name", f"`{module_name}` has no function `{function_name}`", hint)
    if inspect.iscoroutinefunction(function):
        raise ScorerConfigError("name", f"`{target}` is a coroutine function; a scorer is a plain one")
    return function  # type: ignore[no-any-return]  # whatever is callable


def _version(function: Callable[..., Any]) -> str:
    """The function's own `version`, or a digest of its module's text: then every edit there makes evidence stale."""
    declared = getattr(function, "version", None)
    if declared is not None:
        return str(declared)
    try:
        source = inspect.getsource(sys.modules[function.__module__])
    except (OSError, TypeError, KeyError, AttributeError):
        return "1"
    return f"sha256:{sha256(source.encode()).hexdigest()[:16]}"
