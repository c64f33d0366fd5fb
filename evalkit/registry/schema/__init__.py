"""The files of a project as their authors write them: one pydantic model a kind of file."""

from evalkit.registry.schema.base import Strict, validate
from evalkit.registry.schema.entry import Entry, EvalBlock, Status
from evalkit.registry.schema.hold import Hold, HoldFile
from evalkit.registry.schema.model_class import Member, ModelClass
from evalkit.registry.schema.override import Override, OverrideFile
from evalkit.registry.schema.project import EntryPolicy, Policy, PolicyDefaults, ProjectConfig, ProviderConfig
from evalkit.registry.schema.prompt import Prompt, PromptMessage, PromptVariable
from evalkit.registry.schema.tools import ToolDefinition, Tools

__all__ = [
    "Entry",
    "EntryPolicy",
    "EvalBlock",
    "Hold",
    "HoldFile",
    "Member",
    "ModelClass",
    "Override",
    "OverrideFile",
    "Policy",
    "PolicyDefaults",
    "ProjectConfig",
    "Prompt",
    "PromptMessage",
    "PromptVariable",
    "ProviderConfig",
    "Status",
    "Strict",
    "ToolDefinition",
    "Tools",
    "validate",
]
