"""evalkit: evaluate, promote and roll back the generation configs of LLM applications."""

__version__ = "0.1.0"
