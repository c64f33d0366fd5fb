"""MLflow: `mlflow.genai.load_prompt("prompts:/name@production")` from a tracking server, or from its store directly.

MLflow caches what an alias names for 60 s by default; 0 asks the server each time. It keeps 128 prompts unless told
otherwise. The registry's address is set beside the tracking server's: without it every hit, cached or not, tries to
import pyspark, and takes ten times as long.
"""

from __future__ import annotations

import os

HITS = {"plain": 'it("prompts:/svc-0001@production")'}


def load():
    from mlflow.genai import load_prompt

    return load_prompt


def connect(place: str, ttl_s: float | None, _cache: str | None):
    os.environ["MLFLOW_TRACKING_URI"] = os.environ["MLFLOW_REGISTRY_URI"] = place
    os.environ["MLFLOW_PROMPT_CACHE_MAX_SIZE"] = "1000"
    if ttl_s is not None:
        os.environ["MLFLOW_ALIAS_PROMPT_CACHE_TTL_SECONDS"] = str(ttl_s)
    return load()


def served(it, name: str) -> int:
    return it(f"prompts:/{name}@production").version


def asked(it, name: str) -> int:
    return it(f"prompts:/{name}@production", cache_ttl_seconds=0).version


def prepare(place: str, entries: int, versions: int) -> None:
    """Register the sample in the store at this URI, the flipped entry in several versions."""
    import mlflow
    import sample

    mlflow.set_tracking_uri(place)
    for name in sample.names(entries):
        for version in range(1, (versions if name == sample.FLIPPED else 1) + 1):
            mlflow.genai.register_prompt(
                name=name,
                template=sample.messages(name, version),
                model_config={"model_name": sample.MODEL, "extra_params": {"tools": sample.tools(name)}},
            )
        mlflow.genai.set_prompt_alias(name, alias="production", version=1)
