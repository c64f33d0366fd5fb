"""GitHub behind the port of `evalkit.github.forge`.

Nothing here is loaded before a command needs the forge: PyGithub takes a third of a second to import.
"""

from evalkit.github.api.github import GitHubForge

__all__ = ["GitHubForge"]
