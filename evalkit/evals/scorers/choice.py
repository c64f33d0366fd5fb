"""`multiple_choice`: which of the offered choices an answer names.

Read in this order, the first that finds something decides:

1. the whole answer is a choice: `B`, `(B)`, `**B.**`
2. the last `answer is B`, `Answer: (B)`, or `answer is <text of an option>`
3. the last line is a choice
4. the answer begins with one: `B) because ...`
5. it names exactly one choice in brackets: `... so (B) fits`
6. it contains the text of exactly one option
7. it names exactly one choice as a word of its own: `I choose B`

An answer that names several choices without saying which is not read at all.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from evalkit.evals.scorers.arguments import ComparingArguments, Text
from evalkit.evals.scorers.base import Score, ScorerConfigError
from evalkit.evals.scorers.reading import (
    NO_EXPECTED,
    NO_TEXT,
    as_label,
    label_text,
    last,
    mismatch,
    shown,
    text_of,
    unread,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from evalkit.evals.case import Answer, Case

__all__ = ["MultipleChoice", "MultipleChoiceArguments"]


class MultipleChoiceArguments(ComparingArguments):
    """Arguments of `multiple_choice`."""

    main: ClassVar[str | None] = "choices"

    choices: list[Text] = Field(list("ABCDEFGHIJ"), min_length=2)
    """What may be chosen: letters, numbers or words."""
    options: Text | None = None
    """The variable of the case that holds the options' texts: a list in the order of `choices`, or a mapping from
    choice to text. With it, an answer may name the text in place of the letter."""


_SAID = re.compile(r"(?i:\banswer\b(?:\s{1,3}is\b|\s{0,3}[:=]))")


class MultipleChoice:
    """The choice that the answer names is `expected`."""

    version = "1"
    Arguments = MultipleChoiceArguments

    def __init__(self, args: MultipleChoiceArguments) -> None:
        self._choices = {choice.casefold(): choice for choice in args.choices}
        if len(self._choices) < len(args.choices):
            raise ScorerConfigError("choices", "`choices` has the same choice twice, case aside")
        self._options = args.options
        longest_first = sorted(args.choices, key=len, reverse=True)
        exact = "|".join(map(re.escape, longest_first))
        any_case = f"(?i:{exact})"
        # Repeats are bounded: the text is a model's, and time must not grow faster than its length.
        opening, closing = r"[\s(\[{*_\"'`]{0,6}", r"[)\]}*_\"'`.:,;!]"
        self._alone = re.compile(rf"{opening}({any_case}){closing}{{0,6}}\s*")
        # A small letter may be a word ("the answer is a dog"), so it counts only where punctuation ends it.
        self._chosen = re.compile(
            rf"(?i:\banswer\b(?:\s{{1,3}}is)?)\s{{0,3}}[:=-]?\s{{0,3}}(?i:option|choice)?{opening}"
            rf"(?:({exact})(?!\w)|({any_case})(?=[ \t]{{0,3}}(?:{closing}|\n|\Z)))"
        )
        self._begins = re.compile(rf"[(\[*_\"'`]{{0,6}}({exact})[)\]:.*]")
        self._bracketed = re.compile(rf"[(\[]({exact})[)\]]")
        # "I" before a small letter is the pronoun. "A" there may be the article or a choice ("A is right"): it
        # counts as named, but is not read.
        self._words = re.compile(rf"(?<![\w'])(?!I\s+[a-z])(?:{exact})(?![\w'])")
        self._sure_words = re.compile(rf"(?<![\w'])(?![AI]\s+[a-z])(?:{exact})(?![\w'])")

    def check(self, case: Case) -> str | None:
        """`expected` is one of the choices, or an option's text; the options are where the suite says."""
        if case.expected is None:
            return NO_EXPECTED
        if self._options is not None:
            texts = case.vars.get(self._options)
            if not isinstance(texts, (list, tuple, dict)) or not texts:
                return f"has no list of options in its variable `{self._options}`"
            if len(texts) > len(self._choices):
                return f"has {len(texts)} options, and there are {len(self._choices)} choices"
        if self._expected(case) is None:
            return f"has an `expected` that is none of the choices: {shown(case.expected)}"
        return None

    def score(self, case: Case, answer: Answer) -> Score:
        """1 when the choice read is the expected one."""
        text = text_of(answer)
        if text is None:
            return unread(NO_TEXT)
        got = self._read(text, {choice: _plain(option) for choice, option in self._texts(case).items()})
        if got is None:
            return unread("the answer names no choice, or several")
        written = label_text(case.expected)
        expected = self._expected(case)
        if got == expected:
            return Score(1.0, None, got, as_label(written))
        return Score(0.0, mismatch(got, written), got, as_label(self._as_written(got, written, case)))

    def _expected(self, case: Case) -> str | None:
        written = label_text(case.expected).strip()
        found = self._alone.fullmatch(written)
        if found is not None:
            return self._choice(found[1])
        texts = self._texts(case)
        return next((choice for choice, text in texts.items() if _plain(text) == _plain(written)), None)

    def _choice(self, written: str) -> str | None:
        # None for the few letters that `re` takes for another case of "i" and `casefold` does not.
        return self._choices.get(written.casefold())

    def _as_written(self, got: str, written: str, case: Case) -> str:
        """The choice read, written the way `expected` is: labels of one suite must be comparable."""
        found = self._alone.fullmatch(written)
        if found is None:
            return self._texts(case).get(got, got)
        return written[: found.start(1)] + got + written[found.end(1) :]

    def _texts(self, case: Case) -> dict[str, str]:
        """The options' texts by choice."""
        texts = case.vars.get(self._options) if self._options is not None else None
        if isinstance(texts, dict):
            named = ((self._choice(str(key)), text) for key, text in texts.items())
            return {choice: label_text(text) for choice, text in named if choice is not None}
        if isinstance(texts, (list, tuple)):
            return dict(zip(self._choices.values(), map(label_text, texts), strict=False))
        return {}

    def _read(self, text: str, options: Mapping[str, str]) -> str | None:
        whole = text.strip()
        found = self._alone.fullmatch(whole)
        if found is not None:
            return self._choice(found[1])
        letter, said = last(self._chosen.finditer(text)), last(_SAID.finditer(text))
        if said is not None and options and (letter is None or said.start() > letter.start()):
            named = _only(_named(_plain(text[said.end() :]), options))
            if named is not None:
                return named
        if letter is not None:
            return self._choice(letter[1] or letter[2])
        found = self._alone.fullmatch(whole[whole.rfind("\n") + 1 :].strip()) or self._begins.match(whole)
        if found is not None:
            return self._choice(found[1])
        return (
            _only(self._bracketed.findall(text)) or _only(_named(_plain(whole), options)) or self._word(text)
        )

    def _word(self, text: str) -> str | None:
        named = _only(self._words.findall(text))
        return named if named in self._sure_words.findall(text) else None


def _only(found: Iterable[str]) -> str | None:
    distinct = set(found)
    return distinct.pop() if len(distinct) == 1 else None


def _plain(text: str) -> str:
    return " ".join(text.casefold().split()).rstrip(".")


def _named(plain: str, options: Mapping[str, str]) -> set[str]:
    """The choices whose text occurs as words of their own; "dog" does not count where "hot dog" does."""
    found = [(choice, text) for choice, text in options.items() if _has_words(plain, text)]
    return {
        choice
        for choice, text in found
        if not any(text != longer and _has_words(longer, text) for _, longer in found)
    }


def _has_words(text: str, words: str) -> bool:
    start = text.find(words) if words else -1
    while start >= 0:
        end = start + len(words)
        if not (text[start - 1 : start].isalnum() or text[end : end + 1].isalnum()):
            return True
        start = text.find(words, start + 1)
    return False
