"""`similarity`: how much of a reference text an answer shares."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from evalkit.evals.scorers.arguments import ComparingArguments
from evalkit.evals.scorers.base import Score
from evalkit.evals.scorers.reading import NO_EXPECTED, NO_TEXT, excerpt, shown, text_of, unread

if TYPE_CHECKING:
    from evalkit.evals.case import Answer, Case

__all__ = ["MAX_COMPARED_CHARS", "Similarity", "SimilarityArguments", "levenshtein", "rouge_l"]

MAX_COMPARED_CHARS = 100_000
"""Both texts are cut here: time grows with the product of their lengths (0.4 s at this limit)."""

_WORD = re.compile(r"\w+")


def levenshtein(got: str, expected: str) -> float:
    """1 - d / max(len), d the least number of inserted, deleted and replaced characters (Levenshtein 1966)."""
    from rapidfuzz.distance import Levenshtein

    return float(Levenshtein.normalized_similarity(got, expected))


def rouge_l(got: str, expected: str) -> float:
    """F-measure of the longest common subsequence of words.

    With L its length, P = L / words(got), R = L / words(expected): F = 2PR / (P + R), which is
    2L / (words(got) + words(expected)). ROUGE-L of C.-Y. Lin, "ROUGE: A Package for Automatic Evaluation of
    Summaries" (2004), equation 4 with beta = 1; words are runs of letters and digits of any script, not stemmed.
    """
    from rapidfuzz.distance import LCSseq

    words, reference = _WORD.findall(got), _WORD.findall(expected)
    if not words and not reference:
        return 1.0
    return float(2 * LCSseq.similarity(words, reference) / (len(words) + len(reference)))


class SimilarityArguments(ComparingArguments):
    """Arguments of `similarity`."""

    main: ClassVar[str | None] = "method"

    method: Literal["levenshtein", "rouge_l"]
    """`levenshtein` compares characters; `rouge_l` compares words in order."""
    threshold: float | None = Field(None, gt=0, le=1)
    """Score 1 from this similarity on and 0 below it; by default the similarity is the score."""
    ignore_case: bool | None = None
    """Ignore the difference between upper and lower case; by default only `rouge_l` does."""
    strip: bool = True
    """Ignore whitespace around both texts."""


class Similarity:
    """The text resembles `expected`, or the most similar one of several references."""

    version = "1"
    Arguments = SimilarityArguments

    def __init__(self, args: SimilarityArguments) -> None:
        self._method = args.method
        self._measure = rouge_l if args.method == "rouge_l" else levenshtein
        self._threshold = args.threshold
        self._ignore_case = args.method == "rouge_l" if args.ignore_case is None else args.ignore_case
        self._strip = args.strip

    def check(self, case: Case) -> str | None:
        """`expected` is a text, or a list of them, each with something to compare."""
        expected = case.expected
        if expected is None:
            return NO_EXPECTED
        texts = expected if isinstance(expected, list) else [expected]
        if not texts or not all(isinstance(text, str) and text.strip() for text in texts):
            return f"has an `expected` that is not text to compare with: {shown(expected)}"
        if self._method == "rouge_l" and not all(map(_WORD.search, texts)):
            return f"has an `expected` without words: {shown(expected)}"
        return None

    def score(self, case: Case, answer: Answer) -> Score:
        """The similarity in [0, 1], or 0 or 1 with a threshold."""
        text = text_of(answer)
        if text is None:
            return unread(NO_TEXT)
        references = case.expected if isinstance(case.expected, list) else [case.expected]
        got = self._prepared(text)
        value = max(self._measure(got, self._prepared(reference)) for reference in references)
        if self._threshold is None:
            reason = None if value >= 1 else f"similarity {value:.3f} to {shown(references[0])}"
            return Score(value, reason, excerpt(got))
        if value >= self._threshold:
            return Score(1.0, None, excerpt(got))
        return Score(0.0, f"similarity {value:.3f}, below {self._threshold:g}", excerpt(got))

    def _prepared(self, text: str) -> str:
        text = text.strip() if self._strip else text
        text = text[:MAX_COMPARED_CHARS]
        return text.casefold() if self._ignore_case else text
