"""`registry/entries/<name>/v<version>.yaml`: one version of one generation config."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from evalkit.registry.schema.base import (
    CrossChecked,
    Finding,
    ModelId,
    Name,
    RefText,
    SaidText,
    Strict,
    Version,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Artifact", "CanaryBlock", "Entry", "EvalBlock", "Lineage", "PinException", "Rollout", "Status"]

Status = Literal["draft", "staging", "production", "retired"]
Text = Annotated[str, Field(min_length=1)]
ISODate = Annotated[date, Field(strict=False)]

RESERVED_PARAMS = frozenset({"model", "messages", "tools", "response_format", "system", "input", "prompt"})


class EvalBlock(Strict):
    """Written by evalkit: the result against the first suite that policy requires."""

    suite: RefText
    """The suite that gave the score."""
    score: Annotated[float, Field(ge=0, le=1)]
    """The primary metric over all recorded runs."""
    run: Text | None = None
    """The run that wrote this block."""
    evidence: Text | None = None
    """The digest of the evidence: `sha256:…`."""


class CanaryBlock(Strict):
    """Written by evalkit: what the canary said."""

    verdict: Literal["clean", "bad", "inconclusive"]
    run: Text


class PinException(Strict):
    """Why a model id that is not provably pinned may leave draft, and until when."""

    reason: SaidText
    expires: ISODate


class Rollout(Strict):
    """The slice of production traffic that this entry takes as a canary."""

    percent: Annotated[float, Field(ge=0, le=100)]
    unit: Literal["request", "key"] = "request"


class Artifact(Strict):
    """Fine-tuned weights or an adapter, by content."""

    uri: Text
    digest: Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
    kind: Literal["adapter", "full"] = "adapter"
    base_model: Text | None = None


class Lineage(Strict):
    """Where the artifact comes from."""

    base_model: Text
    dataset: Text | None = None
    dataset_digest: Text | None = None
    code: Text | None = None
    run: Text | None = None


class Entry(CrossChecked):
    """One version of one generation config: the unit that is evaluated, approved, promoted and rolled back."""

    name: Name
    """The same as the directory's."""
    version: Version
    """The same as the file's: `v14.yaml`. A number is used once."""
    description: Text | None = None
    owner: Text | None = None
    model: ModelId | None = None
    """A pinned snapshot, never a floating alias."""
    class_ref: RefText | None = None
    """A gateway equivalence class, in place of `model`."""
    artifact: Artifact | None = None
    """Fine-tuned weights, in place of `model` or on top of it."""
    lineage: Lineage | None = None
    provider: Name | None = None
    """A provider of `evalkit.yaml`; its `default_provider` if left out."""
    prompt_ref: RefText
    params: dict[str, Any] = Field(default_factory=dict)
    """Sent to the provider as they are: temperature, max_tokens, …"""
    tools_ref: RefText | None = None
    response_format: dict[str, Any] | Text | None = None
    """As the chat API takes it, or the name of one in the `tools_ref` file's `response_formats`."""
    pin_exception: PinException | None = None
    rollout: Rollout | None = None
    traffic: Annotated[float, Field(ge=0)] | None = None
    """Relative weight in a live A/B; weights need not sum to anything."""
    control: bool | None = None
    """The arm of an A/B that others are compared with."""
    eval: EvalBlock | None = None
    canary: CanaryBlock | None = None
    approved_by: Text | None = None
    """Stamped by evalkit: who approved the last promotion."""
    status: Status

    @classmethod
    def findings(cls, raw: Mapping[str, Any]) -> Iterator[Finding]:
        """What is wrong between the keys."""
        if raw.get("model") and raw.get("class_ref"):
            yield Finding("both 'model' and 'class_ref' are set", ("class_ref",), hint="keep one of them")
        if not any(key in raw for key in ("model", "class_ref", "artifact")):
            hint = "name a pinned model id, such as gpt-5-mini-2025-08-07"
            yield Finding("the key 'model' is missing", code="EK105", hint=hint)
        if "lineage" in raw and "artifact" not in raw:
            yield Finding("'lineage' describes an 'artifact', and there is none", ("lineage",))
        params = raw.get("params")
        for key in params if isinstance(params, dict) else ():
            if key in RESERVED_PARAMS:
                hint = (
                    "messages come from the prompt"
                    if key in {"messages", "prompt"}
                    else "it has its own key in the entry"
                )
                yield Finding(f"params must not set '{key}'", ("params", key), hint=hint)
