"""A triage service that names no model and no prompt: it asks the registry which config serves now.

EVALKIT_REGISTRY=bundle.json uvicorn app:app
"""

import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal

from fastapi import FastAPI, HTTPException
from openai import AsyncOpenAI, OpenAIError
from pydantic import BaseModel, ValidationError

from evalkit import JsonlHandler, Registry

REFRESH_S = float(os.environ.get("REFRESH_S", "2"))
"""How soon a promotion or a rollback arrives here, in seconds."""


class Ticket(BaseModel):
    ticket: str
    conversation: str | None = None


class Answer(BaseModel):
    queue: Literal["billing", "shipping", "returns", "account"]
    reason: str


class Triaged(Answer):
    version: int


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    # One record for each call of the model: what a canary is judged by. Any number of workers may share the file.
    calls = logging.getLogger("evalkit.calls")
    calls.setLevel(logging.INFO)
    calls.addHandler(JsonlHandler("logs/calls.jsonl"))
    # EVALKIT_REGISTRY names the source: a directory, a bundle file, a URL. News arrive in the background.
    with Registry.open(refresh_s=REFRESH_S) as registry:
        registry.resolve("support-triage", env="production")  # nobody serves it? then do not start
        async with AsyncOpenAI() as model:
            app.state.registry, app.state.model = registry, model
            yield


app = FastAPI(lifespan=lifespan)


@app.post("/triage")
async def triage(asked: Ticket) -> Triaged:
    # Resolve for each request: that is how a promotion reaches a running process, and it costs nothing.
    cfg = app.state.registry.resolve("support-triage", env="production")
    # In a canary or an A/B a conversation keeps its variant; a ticket on its own is drawn at random.
    cfg = cfg.for_key(asked.conversation) if asked.conversation else cfg.for_request()
    try:
        with cfg.call() as call:  # logged when the block ends, however it ends
            call.response = await app.state.model.chat.completions.create(**cfg.request(ticket=asked.ticket))
            try:
                answer = Answer.model_validate_json(call.response.choices[0].message.content or "")
            except ValidationError:
                call.fail("malformed")  # an answer came, and it is of no use
                raise
    except (OpenAIError, ValidationError) as error:
        raise HTTPException(502, f"v{cfg.version} gave no usable answer") from error
    return Triaged(**answer.model_dump(), version=cfg.version)


@app.get("/health")
async def health() -> dict[str, Any]:
    # Stale is no reason to restart: the last good set goes on serving. Each worker has a registry of its own.
    return {"pid": os.getpid(), **vars(app.state.registry.status())}
