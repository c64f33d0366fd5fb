"""What a change may not do, compared with the commit that it starts from; and the same of every step of the main line.

Everything here only reads: git, and the files on disk. All problems are found at once, each at the line that was edited.
docs/checking.md has the rules in words.
"""

from __future__ import annotations

from evalkit.promote.base.audit import audit_history
from evalkit.promote.base.check import ChangeReport, check_change

__all__ = ["ChangeReport", "audit_history", "check_change"]
