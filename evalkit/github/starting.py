"""Start the evaluations of a pull request: on the default branch, by its own workflow, where the keys are.

A run of a pull request has no keys and cannot be trusted with any. It asks the forge to run the default branch's
`evaluate.yml`, and hands it two things: the number, and the commit whose entries, prompts and tools are to be measured.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalkit.errors import Problem, UsageError
from evalkit.github.forge import ForgeError
from evalkit.registry.schema.project import ForgeConfig

if TYPE_CHECKING:
    from evalkit.github.admission import Admission
    from evalkit.github.forge import Forge
    from evalkit.promote.needs import Known
    from evalkit.registry.schema import ProjectConfig

__all__ = ["measured", "start"]


def measured(admission: Admission) -> Known:
    """Whether CI has measured a config: by the artifacts that there are, whatever is committed.

    What only an evidence file says is not asked: a made-up run must not keep an evaluation from taking place.
    """

    def known(generation: str, measurement: str) -> bool:
        return bool(admission.find(generation, measurement))

    return known


def start(forge: Forge, config: ProjectConfig, number: int, head: str) -> str:
    """Start the evaluation of a pull request, unless it is of a fork.

    Args:
        forge: with a token that may start workflows.
        config: of the default branch.
        number: of the pull request.
        head: the commit to evaluate; the branch must still point to it.

    Returns:
        What came of it, as a sentence.

    Raises:
        UsageError: EK515, there is no such open pull request.
        ForgeError: the forge refused.
    """
    pull = forge.pull(number)
    if pull is None or pull.state != "open":
        hint = "name an open pull request of this repository"
        raise UsageError(Problem("EK515", f"there is no open pull request #{number}", hint=hint))
    if pull.head_repository != forge.repository:
        return (
            "This pull request comes from a fork, which gets no keys: it needs a maintainer's run. A maintainer who has "
            "read it pushes its branch to this repository and opens a pull request from there."
        )
    if pull.head_sha != head:
        return f"The branch is at {pull.head_sha[:12]} by now: what it has there is evaluated instead."
    workflow = (config.forge or ForgeConfig()).evaluate_workflow.rpartition("/")[2]
    branch = forge.default_branch()
    try:
        forge.dispatch(workflow, branch, {"pr": str(number), "head": head})
    except ForgeError as error:
        if any(problem.code == "EK873" for problem in error.problems):
            return (
                f"This token may not start {workflow}: the job needs 'actions: write'. A maintainer can start it: "
                f"Actions > {workflow} > Run workflow, with pr {number} and head {head}."
            )
        raise
    return f"Started {workflow} on {branch}, for pull request #{number} at {head[:12]}."
