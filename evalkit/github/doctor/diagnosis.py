"""The whole diagnosis: the files, and the settings if there is a forge to ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalkit.github.doctor.files import in_files
from evalkit.github.doctor.finding import worst_first
from evalkit.github.doctor.protection import in_protection
from evalkit.github.doctor.secrets import in_secrets
from evalkit.github.doctor.workflows import read_workflows

if TYPE_CHECKING:
    from pathlib import Path

    from evalkit.github.doctor.finding import Finding
    from evalkit.github.doctor.settings import Settings
    from evalkit.registry.schema.project import ProjectConfig

__all__ = ["diagnose"]


def diagnose(root: Path, config: ProjectConfig, settings: Settings | None) -> list[Finding]:
    """Every finding, the worst first."""
    workflows = read_workflows(root)
    found = list(in_files(root, config, workflows))
    if settings is not None:
        found += in_protection(settings, config, workflows)
        found += in_secrets(settings, config)
    return worst_first(found)
