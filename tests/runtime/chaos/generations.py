"""Sets that say which generation they are of, in every part: a mixed one cannot hide.

What a set means is decided here from its bytes alone, by comparison with what was written, so that a test does not ask
the reader it tests.
"""

from __future__ import annotations

import copy

from evalkit.runtime.bundle import encode_bundle
from evalkit.runtime.config import GenerationConfig, Message, Variable

NAMES = ("alpha", "beta", "gamma")
ENV = "production"
MODEL = "gpt-5-mini-2025-08-07"


class Generations:
    """Every set that was made, by the generation it is of."""

    def __init__(self) -> None:
        self.newest = 0
        self.digests: dict[tuple[str, int], str] = {}
        """Of each entry, by name and version."""
        self._made: dict[int, dict] = {}
        self._encoded: dict[int, bytes] = {}
        self._meanings: dict[str, int] = {}

    def next(self) -> int:
        """A generation newer than all before."""
        self.newest += 1
        self.document(self.newest)
        return self.newest

    def document(self, generation: int) -> dict:
        """The whole set. `alpha` has three versions in production, the others one."""
        if generation not in self._made:
            self._made[generation] = self._content(generation)
        return self._made[generation]

    def encode(self, generation: int) -> bytes:
        if generation not in self._encoded:
            self._encoded[generation] = encode_bundle(self.document(generation))
            self._meanings[self._encoded[generation]] = generation
        return self._encoded[generation]

    def ambiguous(self, generation: int, rng) -> bytes:
        """A set with the right digest whose serving section does not say who serves."""
        document = copy.deepcopy(self.document(generation))
        serving = document["serving"]["alpha"][ENV]
        wrong = {
            "two that are primary": {"primary": [generation * 10, generation * 10 + 1]},
            "a primary that has no share": {"primary": generation * 10 + 2},
            "an arm that is the canary": {
                "canary": {"version": generation * 10, "percent": 5, "unit": "request"}
            },
            "nobody has a share": {"weights": {}},
            "an arm that is not there": {"weights": {str(generation * 10): 1.0, "7": 1.0}},
            "a share below nothing": {"weights": {str(generation * 10): 1.0, str(generation * 10 + 1): -1}},
        }
        serving.update(wrong[rng.choice(sorted(wrong))])
        return encode_bundle(document)

    def meaning(self, data: bytes) -> int | None:
        """The generation that these bytes are a whole set of; None if they are none."""
        return self._meanings.get(data)

    def check(self, snapshot, *, render: bool = False) -> int:
        """That all that a snapshot resolves to belongs together; returns its generation."""
        found = {self._check_name(snapshot, name, render) for name in NAMES}
        assert len(found) == 1, f"a mixed set: generations {sorted(found)}"
        return found.pop()

    def _check_name(self, snapshot, name: str, render: bool) -> int:
        config = snapshot.resolve(name, ENV)
        assert config is snapshot.resolve(name, ENV)
        generation = config.params["max_tokens"]
        for variant in (config, config.for_request(), config.for_key("k")):
            self._check_config(variant, name, generation)
        shares = [variant.weight for variant in snapshot.variants(name, ENV)]
        assert len(shares) == (3 if name == "alpha" else 1)
        if render:
            assert config.messages(ticket="T")[0]["content"] == f"Generation {generation} of {name}."
            assert config.messages(ticket="T")[1]["content"] == "T"
        return generation

    def _check_config(self, config, name: str, generation: int) -> None:
        assert config.version // 10 == generation
        assert config.params == {"max_tokens": generation}
        assert str(config.prompt) == f"{name}-prompt@v{generation}"
        assert config.prompt.messages[0].content == f"Generation {generation} of {name}."
        assert config.digest == self.digests[name, config.version]
        assert int(config.commit, 16) == generation
        assert config.reason

    def _content(self, generation: int) -> dict:
        versions = {name: [generation * 10 + k for k in range(3 if name == "alpha" else 1)] for name in NAMES}
        return {
            "format": "evalkit.bundle",
            "schema_version": "1.0",
            "commit": {
                "id": f"{generation:040x}",
                "first_parent_count": generation,
                "time": "2026-01-31T12:00:00Z",
                "dirty": False,
            },
            "serving": {name: {ENV: _serving(versions[name]), "staging": None} for name in NAMES},
            "entries": {
                f"{name}@v{version}": self._entry(name, generation, version)
                for name in NAMES
                for version in versions[name]
            },
            "prompts": {
                f"{name}-prompt@v{generation}": {
                    "digest": "sha256:0",
                    "variables": {"ticket": {"type": "string", "required": True}},
                    "messages": [
                        {"role": "system", "content": f"Generation {generation} of {name}."},
                        {"role": "user", "content": "{{ ticket }}"},
                    ],
                }
                for name in NAMES
            },
            "tools": {},
        }

    def _entry(self, name: str, generation: int, version: int) -> dict:
        params = {"max_tokens": generation}
        prompt = f"{name}-prompt@v{generation}"
        config = GenerationConfig(
            provider_kind="openai",
            model=f"{MODEL}-{version}",
            members=None,
            prompt_name=prompt,
            messages=(
                Message("system", f"Generation {generation} of {name}."),
                Message("user", "{{ ticket }}"),
            ),
            variables={"ticket": Variable("string")},
            params=params,
            tools=None,
            response_format=None,
            artifact_digest=None,
        )
        self.digests[name, version] = config.digest
        return {
            "status": "production",
            "digest": config.digest,
            "provider": "openai",
            "provider_kind": "openai",
            "model": f"{MODEL}-{version}",
            "prompt_ref": prompt,
            "params": params,
        }


def _serving(versions: list[int]) -> dict:
    if len(versions) == 1:
        return {"primary": versions[0], "weights": {str(versions[0]): 1.0}, "canary": None, "standby": []}
    primary, arm, canary = versions
    return {
        "primary": primary,
        "weights": {str(primary): 2.0, str(arm): 1.0},
        "canary": {"version": canary, "percent": 20, "unit": "request"},
        "standby": [],
    }
