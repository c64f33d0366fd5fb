"""Samples without what a model was given or wrote: what CI artifacts hold where outputs must stay private.

Precision, recall and F1 need to know which labels are the same. Where a suite asks for them, each label is replaced by
a hash of it, in every run alike, so that a run has the same figures with and without its texts.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from evalkit.evals.record import SampleError
from evalkit.evals.scorers.reading import as_label

if TYPE_CHECKING:
    from evalkit.evals.record import Sample

__all__ = ["expected_label", "hashed_label", "redacted"]


@lru_cache(maxsize=4096)
def hashed_label(text: str) -> str:
    """16 hex digits that stand for a label."""
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def expected_label(expected: Any) -> str | None:
    """The hash of the label that a case expects; None if it expects something else than a label."""
    if expected is None or isinstance(expected, dict | list):
        return None
    text = as_label(expected)
    return None if text is None else hashed_label(text)


def redacted(sample: Sample, *, labels: bool) -> Sample:
    """The figures of a sample, and none of its texts: no input, output, expectation, reason or error message.

    Args:
        sample: with its texts.
        labels: whether a metric needs to know which labels are the same; their hashes are kept then.
    """
    label = sample.label
    error = sample.error
    return replace(
        sample,
        input={},
        expected=expected_label(sample.expected) if labels else None,
        output=None,
        tool_calls=None,
        reasons={},
        got=None,
        error=None if error is None else SampleError(error.kind, error.type, ""),
        label=hashed_label(label) if labels and label is not None else None,
    )
