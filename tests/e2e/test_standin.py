from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta

import pytest
from standin import Environment, Refused, StandIn
from standin.act_runner import find_act
from standin.workflow_file import WorkflowFile, granted

PIN = "0123456789012345678901234567890123456789"
HELLO = """\
on: {trigger}
permissions: {{}}
jobs:
  check:
    runs-on: ubuntu-latest
    steps:
      - run: echo "{text}"
"""


def hello(trigger: str, text: str = "hello") -> str:
    return HELLO.format(trigger=trigger, text=text)


def call(hub, token, method, path, body=None, *, full=False):
    """A REST request: the status and the JSON."""
    address = path if path.startswith("http") else f"{hub.url}/repos/{hub.repository}{path}"
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    request = urllib.request.Request(address, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            text = answer.read()
            status, found = answer.status, answer.headers
    except urllib.error.HTTPError as error:
        with error:
            text = error.read()
            status, found = error.code, error.headers
    value = json.loads(text) if text else None
    return (status, value, found) if full else (status, value)


@pytest.fixture
def hub(tmp_path):
    with StandIn(tmp_path, {"a.txt": "1\n"}) as made:
        yield made
        assert made.contract.violations == []


@pytest.fixture
def alice(hub):
    return hub.user("alice", emails=("alice@example.com",))


@pytest.fixture
def bob(hub):
    return hub.user("bob")


def test_act_is_there_to_run_workflows():
    assert find_act().exists()


# Accounts and tokens


def test_an_unknown_token_is_refused(hub):
    assert call(hub, "ghp_unknown", "GET", "/branches")[0] == 401


def test_a_job_token_may_do_what_its_permissions_say_and_no_more(hub):
    token = hub.job_token({"contents": "read"})
    assert call(hub, token, "GET", "/branches")[0] == 200
    status, value = call(hub, token, "POST", "/git/blobs", {"content": "x"})
    assert (status, value["message"]) == (403, "Resource not accessible by integration")
    assert call(hub, token, "GET", "/pulls")[0] == 403


def test_commits_belong_to_the_account_of_their_address(hub, alice):
    hub.push(alice, "x", {"b.txt": "2"})
    assert call(hub, alice.token, "GET", "/commits/x")[1]["author"]["login"] == "alice"
    token = hub.job_token({"contents": "write"})
    tree = hub.git.resolve("main", "tree")
    made = call(hub, token, "POST", "/git/commits", {"message": "m", "tree": tree, "parents": [hub.head()]})[
        1
    ]
    assert made["author"]["email"] == "41898282+github-actions[bot]@users.noreply.github.com"
    assert (
        call(hub, alice.token, "GET", f"/commits/{made['sha']}")[1]["author"]["login"]
        == "github-actions[bot]"
    )


# Refs


def make_commit(hub, parent, text="x", path="b.txt"):
    tree = hub.git.write_tree(parent, [("100644", path, hub.git.write_blob(text.encode()))])
    return hub.git.write_commit(tree, [parent], text, ("A", "a@example.com"), date=hub.now.isoformat())


def test_a_ref_moves_forward_only_and_is_made_once(hub, alice):
    one, two = make_commit(hub, hub.head(), "one"), make_commit(hub, hub.head(), "two")
    assert call(hub, alice.token, "POST", "/git/refs", {"ref": "refs/heads/x", "sha": one})[0] == 201
    status, value = call(hub, alice.token, "POST", "/git/refs", {"ref": "refs/heads/x", "sha": one})
    assert (status, value["message"]) == (422, "Reference already exists")
    status, value = call(hub, alice.token, "PATCH", "/git/refs/heads/x", {"sha": two})
    assert (status, value["message"]) == (422, "Update is not a fast forward")
    assert (
        call(hub, alice.token, "PATCH", "/git/refs/heads/x", {"sha": make_commit(hub, one, "three")})[0]
        == 200
    )
    assert call(hub, alice.token, "DELETE", "/git/refs/heads/x")[0] == 204
    assert call(hub, alice.token, "DELETE", "/git/refs/heads/x")[0] == 422


def test_a_protected_branch_takes_neither_a_push_nor_a_ref_update(hub, alice):
    hub.settings.protect("main")
    new = make_commit(hub, hub.head())
    status, value = call(hub, alice.token, "PATCH", "/git/refs/heads/main", {"sha": new})
    assert status == 422
    assert value["message"].startswith("Repository rule violations found")
    with pytest.raises(AssertionError, match="protected branch hook declined"):
        hub.push(alice, "main", {"b.txt": "x"})
    assert hub.file("b.txt") is None


def test_a_job_token_brings_in_no_workflow_file_that_no_branch_has(hub, alice):
    token = hub.job_token({"contents": "write"})
    bad = make_commit(hub, hub.head(), hello("push"), ".github/workflows/x.yml")
    assert call(hub, token, "POST", "/git/refs", {"ref": "refs/heads/x", "sha": bad})[0] == 403
    hub.push(alice, "y", {".github/workflows/x.yml": hello("push")})
    assert call(hub, token, "POST", "/git/refs", {"ref": "refs/heads/x", "sha": bad})[0] == 201


# Pull requests


def test_pull_requests_are_refused_as_github_refuses_them(hub, alice):
    hub.push(alice, "x", {"b.txt": "2"})

    def opened(**changes):
        body = {"title": "t", "head": "x", "base": "main", "body": "", **changes}
        status, value = call(hub, alice.token, "POST", "/pulls", body)
        return status, json.dumps(value.get("errors", ""))

    assert opened(head="gone") == (422, '[{"resource": "PullRequest", "field": "head", "code": "invalid"}]')
    assert "No commits between main and main" in opened(head="main")[1]
    assert "body is too long" in opened(body="x" * 65_537)[1]
    assert opened()[0] == 201
    assert "A pull request already exists for acme:x" in opened()[1]


def test_actions_may_not_open_pull_requests_when_the_setting_is_off(hub, alice):
    hub.push(alice, "x", {"b.txt": "2"})
    token = hub.job_token({"pull-requests": "write", "contents": "write"})
    hub.settings.allow_actions_prs = False
    status, value = call(hub, token, "POST", "/pulls", {"title": "t", "head": "x", "base": "main"})
    assert status == 403
    assert value["message"] == "GitHub Actions is not permitted to create or approve pull requests."


def test_nobody_approves_their_own_pull_request(hub, alice):
    hub.push(alice, "x", {"b.txt": "2"})
    number = hub.open_pr(alice, "x").number
    status, value = call(hub, alice.token, "POST", f"/pulls/{number}/reviews", {"event": "APPROVE"})
    assert (status, value["errors"]) == (422, ["Review Can not approve your own pull request"])


@pytest.mark.parametrize("method", ["merge", "squash", "rebase"])
def test_merging_waits_for_the_check_and_somebody_elses_approval(hub, alice, bob, method):
    hub.settings.protect("main")
    hub.push(alice, "x", {"b.txt": "2"})
    hub.push(bob, "other", {"c.txt": "3"})
    pull = hub.open_pr(alice, "x")
    address = f"/pulls/{pull.number}/merge"
    status, value = call(hub, bob.token, "PUT", address, {"merge_method": method})
    assert status == 405
    assert 'Required status check "check" is expected.' in value["message"]
    report = {"state": "success", "context": "check"}
    assert call(hub, alice.token, "POST", f"/statuses/{pull.head_sha}", report)[0] == 201
    assert "approving review" in call(hub, bob.token, "PUT", address, {"merge_method": method})[1]["message"]
    hub.review(bob, pull)
    assert call(hub, bob.token, "PUT", address, {"merge_method": method, "sha": "0" * 40})[0] == 409
    status, value = call(hub, bob.token, "PUT", address, {"merge_method": method})
    assert (status, hub.head()) == (200, value["sha"])
    assert hub.file("b.txt") == "2"
    found = call(hub, bob.token, "GET", f"/commits/{value['sha']}/pulls")[1]
    assert [(item["number"], item["merge_commit_sha"]) for item in found] == [(pull.number, value["sha"])]


def test_a_conflicting_pull_request_cannot_be_merged(hub, alice, bob):
    hub.push(alice, "x", {"a.txt": "2\n"})
    pull = hub.open_pr(alice, "x")
    hub.push(bob, "main", {"a.txt": "3\n"})
    assert call(hub, alice.token, "GET", f"/pulls/{pull.number}")[1]["mergeable"] is False
    with pytest.raises(Refused, match="not mergeable"):
        hub.merge(bob, pull)


def test_a_pull_request_whose_branch_equals_its_base_or_is_gone_is_closed(hub, alice):
    hub.push(alice, "x", {"b.txt": "2"})
    hub.push(alice, "y", {"c.txt": "2"})
    one, two = hub.open_pr(alice, "x"), hub.open_pr(alice, "y")
    body = {"sha": hub.head(), "force": True}
    assert call(hub, alice.token, "PATCH", "/git/refs/heads/x", body)[0] == 200
    call(hub, alice.token, "DELETE", "/git/refs/heads/y")
    assert [(item.state, item.merged) for item in (one, two)] == [("closed", None), ("closed", None)]


def test_lists_come_in_pages(hub, alice):
    hub.push(alice, "x", {"b.txt": "2"})
    number = hub.open_pr(alice, "x").number
    for text in range(35):
        hub.comment(alice, number, str(text))
    status, value, headers = call(hub, alice.token, "GET", f"/issues/{number}/comments", full=True)
    assert (status, len(value)) == (200, 30)
    following = re.search(r'<([^>]+)>; rel="next"', headers["Link"])[1]
    assert following.startswith(hub.url)
    assert [item["body"] for item in call(hub, alice.token, "GET", following)[1]] == [
        "30",
        "31",
        "32",
        "33",
        "34",
    ]


# Trouble on demand


def test_faults_and_rate_limits_come_when_asked_for(hub, alice):
    hub.fail_next("GET", "/branches", 502)
    assert [call(hub, alice.token, "GET", "/branches")[0] for _ in range(2)] == [502, 200]
    hub.limit_next(retry_after_s=7, status=429)
    status, value, headers = call(hub, alice.token, "GET", "/branches", full=True)
    assert (status, headers["Retry-After"], "secondary rate limit" in value["message"]) == (429, "7", True)
    hub.settings.rate_limit = 0
    status, _, headers = call(hub, alice.token, "GET", "/branches", full=True)
    assert (status, headers["X-RateLimit-Remaining"]) == (403, "0")
    hub.settings.rate_limit = 5000


@pytest.mark.parametrize(("fault", "is_done"), [("drop", False), ("drop-after", True)])
def test_a_dropped_connection_may_have_done_its_work(hub, alice, fault, is_done):
    hub.fail_next("POST", "/git/refs", fault)
    with pytest.raises((ConnectionError, urllib.error.URLError)):
        call(hub, alice.token, "POST", "/git/refs", {"ref": "refs/heads/x", "sha": hub.head()})
    assert (hub.head("x") is not None) is is_done


def test_the_log_of_requests_holds_no_token(hub, alice):
    hub.push(alice, "x", {"b.txt": "2"})
    number = hub.open_pr(alice, "x").number
    call(hub, alice.token, "POST", f"/issues/{number}/comments", {"body": f"my token is {alice.token}"})
    assert hub.requests[-1].login == "alice"
    assert alice.token not in repr(hub.requests[-1].body)


# Which workflows start


def test_filters_of_triggers_are_github_s():
    def starts(on, event="push", action=None, ref="refs/heads/main", base=None, paths=("a/b.txt",)):
        text = json.dumps({"on": on, "jobs": {"a": {}}})
        return WorkflowFile("x.yml", text.encode()).starts_on(event, action, ref, base, list(paths))

    assert starts("push")
    assert starts({"push": {"branches": ["ma*"]}})
    assert not starts({"push": {"branches": ["ma*", "!main"]}})
    assert not starts({"push": {"branches": ["*"]}}, ref="refs/heads/a/b")
    assert starts({"push": {"branches": ["**"]}}, ref="refs/heads/a/b")
    assert not starts({"push": {"tags": ["v*"]}})
    assert starts({"push": {"paths": ["a/**"]}})
    assert not starts({"push": {"paths-ignore": ["a/**"]}})
    assert starts("pull_request", "pull_request", "opened", base="main")
    assert not starts("pull_request", "pull_request", "closed", base="main")
    assert starts({"pull_request": {"types": ["closed"]}}, "pull_request", "closed", base="main")
    assert not starts({"pull_request": {"branches": ["release"]}}, "pull_request", "opened", base="main")


def test_permissions_are_what_is_named_and_none_of_the_rest():
    everything = dict.fromkeys(["contents", "pull-requests"], "write")
    assert granted({"contents": "read"}, everything)["contents"] == "read"
    assert granted({"contents": "read"}, everything)["pull-requests"] == "none"
    assert granted("write-all", {"contents": "read"})["contents"] == "read"


def test_a_token_of_a_job_starts_no_run_but_a_dispatch_and_its_pull_requests_wait_for_a_click(hub, alice):
    files = {
        ".github/workflows/pr.yml": hello("pull_request"),
        ".github/workflows/push.yml": hello("push"),
        ".github/workflows/hand.yml": hello("workflow_dispatch"),
    }
    hub.push(alice, "main", files)
    assert [run.path for run in hub.settle()] == [".github/workflows/push.yml"]
    token = hub.job_token({"contents": "write", "pull-requests": "write", "actions": "write"})
    new = make_commit(hub, hub.head())
    call(hub, token, "POST", "/git/refs", {"ref": "refs/heads/x", "sha": new})
    assert call(hub, token, "POST", "/pulls", {"title": "t", "head": "x", "base": "main"})[0] == 201
    assert hub.settle() == []
    waiting = hub.runs[-1]
    assert (waiting.event, waiting.conclusion) == ("pull_request", "action_required")
    hub.approve_run(waiting, alice)
    assert [(run.path, run.conclusion) for run in hub.settle()] == [(".github/workflows/pr.yml", "success")]
    assert hub.status(new, "check") == "success"
    assert call(hub, token, "POST", "/actions/workflows/hand.yml/dispatches", {"ref": "main"})[0] == 204
    assert [(run.event, run.conclusion) for run in hub.settle()] == [("workflow_dispatch", "success")]
    assert call(hub, token, "POST", "/actions/workflows/pr.yml/dispatches", {"ref": "main"})[0] == 422


def test_the_workflow_file_is_that_of_the_commit_concerned(hub, alice, bob):
    hub.push(
        alice, "main", {".github/workflows/w.yml": hello("{pull_request: {types: [opened, closed]}}", "base")}
    )
    hub.push(alice, "x", {".github/workflows/w.yml": hello("{pull_request: {types: [opened]}}", "head")})
    pull = hub.open_pr(alice, "x")
    assert [run.log.count("head") for run in hub.settle()] == [1]
    hub.close_pr(bob, pull)
    (run,) = hub.settle()
    assert (run.payload["action"], "base" in run.log) == ("closed", True)


def test_schedule_merge_group_and_comments_start_their_workflows(hub, alice):
    hub.push(
        alice, "main",
        {
            ".github/workflows/a.yml": hello("{schedule: [{cron: '7 3 * * *'}]}", "${{ github.event.schedule }}"),
            ".github/workflows/b.yml": hello("merge_group", "$GITHUB_REF"),
            ".github/workflows/c.yml": hello("issue_comment", "${{ github.event.issue.number }}"),
            ".github/workflows/d.yml": hello("pull_request_review", "$GITHUB_REF"),
        },
    )  # fmt: skip
    hub.schedule("7 3 * * *")
    hub.schedule("8 3 * * *")
    hub.push(alice, "x", {"b.txt": "2"})
    pull = hub.open_pr(alice, "x")
    merge = hub.merge_group(pull)
    hub.comment(alice, pull, "hello")
    hub.review(hub.user("bob"), pull)
    runs = hub.settle(parallel=2)
    assert [run.log.splitlines()[-1] for run in sorted(runs, key=lambda run: run.path)] == [
        "7 3 * * *", runs[1].ref, str(pull.number), f"refs/pull/{pull.number}/merge",
    ]  # fmt: skip
    assert hub.status(merge, "check") == "success"


# What jobs are given

PIPELINE = f"""\
name: Pipeline
on: {{push: {{branches: [main]}}, workflow_dispatch: {{inputs: {{flag: {{type: boolean, default: false}}}}}}}}
permissions: {{}}
jobs:
  plan:
    runs-on: ubuntu-latest
    permissions: {{contents: read}}
    outputs:
      cells: ${{{{ steps.plan.outputs.cells }}}}
    steps:
      - uses: actions/checkout@{PIN} # v5
        with: {{persist-credentials: false, fetch-depth: 0}}
      - id: plan
        run: |
          test "$(cat a.txt)" = 1
          ! grep -q extraheader .git/config
          echo 'cells=["a","b"]' >> "$GITHUB_OUTPUT"
          echo "## Planned" >> "$GITHUB_STEP_SUMMARY"
          echo "::warning file=a.txt,line=1,title=EK1::careful"
  evaluate:
    needs: plan
    runs-on: ubuntu-latest
    environment: keys
    strategy:
      matrix:
        cell: ${{{{ fromJSON(needs.plan.outputs.cells) }}}}
    steps:
      - env: {{KEY: "${{{{ secrets.KEY }}}}"}}
        run: |
          mkdir -p out/deep
          echo "${{#KEY}} ${{{{ matrix.cell }}}}" > "out/deep/${{{{ matrix.cell }}}}.txt"
          echo "key $KEY, repository ${{{{ job.workflow_repository || github.repository }}}}, sha ${{{{ job.workflow_sha || github.sha }}}}"
      - uses: actions/upload-artifact@{PIN}
        with:
          name: shard-${{{{ matrix.cell }}}}
          path: |
            out/**/*.txt
          if-no-files-found: error
  merge:
    needs: [plan, evaluate]
    runs-on: ubuntu-latest
    steps:
      - uses: actions/download-artifact@{PIN}
        with: {{pattern: shard-*, merge-multiple: true, path: got}}
      - run: |
          cat got/deep/a.txt got/deep/b.txt
          test -z "${{{{ secrets.KEY }}}}"
  record:
    needs: merge
    runs-on: ubuntu-latest
    permissions: {{contents: write}}
    steps:
      - uses: actions/checkout@{PIN}
        with: {{ref: notes, path: notes}}
      - working-directory: notes
        run: |
          echo done > done.txt
          git add . && git -c user.name=x -c user.email=x@example.com commit -qm done && git push -q origin HEAD:notes
          ! git push -q origin HEAD:refs/heads/main
  never:
    needs: merge
    if: github.event_name == 'pull_request'
    runs-on: ubuntu-latest
    steps: [{{run: exit 1}}]
"""


def test_a_pipeline_runs_job_by_job_each_with_its_own_token_and_secrets(hub, alice):
    hub.settings.environments["keys"] = Environment(secrets={"KEY": "very-secret"}, branches=("main",))
    hub.push(alice, "notes", {"n.txt": "1"})
    hub.settle()
    hub.push(alice, "main", {".github/workflows/pipeline.yml": PIPELINE})
    hub.settings.protect("main", checks=(), approvals=0)
    (run,) = hub.settle()
    assert run.conclusion == "success", run.log
    assert {name: job.result for name, job in run.jobs.items()} == {
        "plan": "success", "evaluate": "success", "merge": "success", "record": "success", "never": "skipped",
    }  # fmt: skip
    assert run.summary.strip() == "## Planned"
    assert run.annotations == [
        {"level": "warning", "message": "careful", "file": "a.txt", "line": "1", "title": "EK1"}
    ]
    assert run.jobs["evaluate"].names == {"evaluate (a)": "success", "evaluate (b)": "success"}
    assert run.jobs["merge"].log.splitlines()[-2:] == ["11 a", "11 b"]
    assert "very-secret" not in run.log
    assert f"key ***, repository acme/llm, sha {run.sha}" in run.log
    assert (run.jobs["evaluate"].secrets, run.jobs["merge"].secrets) == (("KEY",), ())
    assert hub.file("done.txt", "notes") == "done\n"
    assert sorted(item.name for item in hub.artifacts) == ["shard-a", "shard-b"]
    names = [
        item["name"]
        for item in call(hub, alice.token, "GET", f"/commits/{run.sha}/check-runs")[1]["check_runs"]
    ]
    assert sorted(names) == ["evaluate (a)", "evaluate (b)", "merge", "never", "plan", "record"]


def test_an_artifact_is_found_by_name_and_fetched_by_a_redirect_until_it_expires(hub, alice):
    upload = f"""\
on: push
jobs:
  up:
    runs-on: ubuntu-latest
    steps:
      - run: echo 1 > f.txt
      - uses: actions/upload-artifact@{PIN}
        with: {{name: thing, path: f.txt, retention-days: 5}}
      - uses: actions/upload-artifact@{PIN}
        with: {{name: thing, path: f.txt}}
"""
    hub.push(alice, "main", {".github/workflows/u.yml": upload})
    (run,) = hub.settle()
    assert (run.conclusion, "already exists" in run.log) == ("failure", True)
    (item,) = call(hub, alice.token, "GET", "/actions/artifacts?name=thing")[1]["artifacts"]
    assert (item["workflow_run"]["id"], item["digest"][:7], item["expired"]) == (run.id, "sha256:", False)
    assert call(hub, alice.token, "GET", f"/actions/runs/{run.id}")[1]["path"] == ".github/workflows/u.yml"
    request = urllib.request.Request(
        item["archive_download_url"], headers={"Authorization": f"token {alice.token}"}
    )
    with pytest.raises(
        urllib.error.HTTPError
    ) as refused:  # this client takes its token along to the other place
        urllib.request.urlopen(request, timeout=20)
    with refused.value as error, urllib.request.urlopen(error.url, timeout=20) as answer:
        assert error.code == 400
        assert answer.read()[:2] == b"PK"
    hub.now = datetime.now(UTC) + timedelta(days=6)
    assert call(hub, alice.token, "GET", "/actions/artifacts?name=thing")[1]["artifacts"][0]["expired"]
    assert call(hub, alice.token, "GET", f"/actions/artifacts/{item['id']}/zip")[0] == 410


def test_a_pull_request_reaches_no_environment_of_the_default_branch_and_a_fork_no_secret(hub, alice):
    keyed = hello("pull_request").replace("runs-on:", "environment: keys\n    runs-on:")
    plain = hello("pull_request", "[${{ secrets.PLAIN }}]")
    hub.push(alice, "main", {".github/workflows/keyed.yml": keyed, ".github/workflows/plain.yml": plain})
    hub.settings.environments["keys"] = Environment(secrets={"KEY": "k"}, branches=("main",))
    hub.settings.secrets["PLAIN"] = "plain-secret"
    carol = hub.user("carol", role="read")
    fork = hub.fork(carol)
    hub.push(carol, "x", {"b.txt": "2"}, repository=fork)
    with pytest.raises(AssertionError, match="403"):
        hub.push(carol, "x", {"b.txt": "2"})
    pull = hub.open_pr(carol, "carol:x")
    keyed_run, plain_run = hub.settle()
    assert keyed_run.conclusion == "failure"
    assert "is not allowed to deploy to keys" in keyed_run.log
    assert (plain_run.conclusion, "[]" in plain_run.log, plain_run.jobs["check"].secrets) == (
        "success",
        True,
        (),
    )
    assert set(plain_run.jobs["check"].permissions.values()) <= {"none", "read"}
    assert call(hub, alice.token, "GET", f"/pulls/{pull.number}")[1]["head"]["repo"]["full_name"] == fork


def test_an_app_token_starts_workflows(hub, alice):
    app, _ = hub.app("helper")
    hub.settings.secrets["APP_KEY"] = app.private_key
    workflow = f"""\
on: workflow_dispatch
permissions: {{}}
jobs:
  go:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/create-github-app-token@{PIN}
        id: app
        with: {{client-id: {app.client_id}, private-key: "${{{{ secrets.APP_KEY }}}}"}}
      - uses: actions/checkout@{PIN}
        with: {{token: "${{{{ steps.app.outputs.token }}}}"}}
      - run: |
          git -c user.name=x -c user.email=x@example.com commit -q --allow-empty -m more
          git push -q origin HEAD:refs/heads/more
          echo "slug ${{{{ steps.app.outputs.app-slug }}}} [${{{{ steps.app.outputs.token }}}}]"
"""
    files = {
        ".github/workflows/go.yml": workflow,
        ".github/workflows/push.yml": hello("{push: {branches: [more]}}"),
    }
    hub.push(alice, "main", files)
    hub.dispatch(alice, "go.yml")
    runs = hub.settle()
    assert [(run.event, run.conclusion) for run in runs] == [
        ("workflow_dispatch", "success"),
        ("push", "success"),
    ], runs[0].log
    assert runs[1].actor.login == "helper[bot]"
    assert "slug helper [***]" in runs[0].log


def test_a_reusable_workflow_gives_its_outputs_and_each_of_its_jobs_its_own_token(hub, alice):
    called = """\
on:
  workflow_call:
    inputs: {who: {type: string}}
    secrets: {KEY: {required: false}}
    outputs: {said: {value: "${{ jobs.two.outputs.said }}"}}
jobs:
  one:
    runs-on: ubuntu-latest
    permissions: {contents: read}
    steps: [{run: "true"}]
  two:
    needs: one
    runs-on: ubuntu-latest
    permissions: {}
    outputs: {said: "${{ steps.s.outputs.said }}"}
    steps:
      - id: s
        env: {KEY: "${{ secrets.KEY }}"}
        run: echo "said=hello ${{ inputs.who }} ${#KEY}" >> "$GITHUB_OUTPUT"
"""
    caller = """\
on: workflow_dispatch
permissions: {contents: read}
jobs:
  before: {runs-on: ubuntu-latest, outputs: {who: "${{ steps.a.outputs.who }}"}, steps: [{id: a, run: 'echo who=Ann >> "$GITHUB_OUTPUT"'}]}
  call:
    needs: before
    uses: ./.github/workflows/called.yml
    with: {who: "${{ needs.before.outputs.who }}"}
    secrets: {KEY: "${{ secrets.PLAIN }}"}
  after:
    needs: call
    runs-on: ubuntu-latest
    steps: [{run: 'test "${{ needs.call.outputs.said }}" = "hello Ann 3"'}]
"""
    hub.settings.secrets["PLAIN"] = "abc"
    hub.push(alice, "main", {".github/workflows/caller.yml": caller, ".github/workflows/called.yml": called})
    hub.dispatch(alice, "caller.yml")
    (run,) = hub.settle()
    assert run.conclusion == "success", run.log
    assert run.jobs["call"].outputs == {"said": "hello Ann 3"}
    levels = {name: job.permissions["contents"] for name, job in run.jobs.items()}
    assert levels == {
        "before": "read",
        "call": "read",
        "call / one": "read",
        "call / two": "none",
        "after": "read",
    }


def test_a_job_whose_condition_is_false_is_skipped_whatever_its_matrix_and_environment(hub, alice):
    hub.settings.environments["keys"] = Environment(branches=("main",))
    workflow = """\
on: {pull_request: {}}
jobs:
  plan: {runs-on: ubuntu-latest, if: github.event_name == 'push', outputs: {cells: "${{ github.sha }}"}, steps: [{run: exit 1}]}
  work:
    needs: plan
    if: ${{ !cancelled() && needs.plan.result == 'success' }}
    runs-on: ubuntu-latest
    environment: keys
    strategy: {matrix: {include: "${{ fromJSON(needs.plan.outputs.cells) }}"}}
    steps: [{run: exit 1}]
  last: {needs: work, if: always(), runs-on: ubuntu-latest, steps: [{run: "echo ${{ needs.work.result }}"}]}
"""
    hub.push(alice, "x", {".github/workflows/w.yml": workflow})
    hub.open_pr(alice, "x")
    (run,) = hub.settle()
    assert {name: job.result for name, job in run.jobs.items()} == {
        "plan": "skipped",
        "work": "skipped",
        "last": "success",
    }
    assert run.jobs["last"].log == "skipped\n"


def test_keys_that_act_refuses_are_no_obstacle(hub, alice):
    workflow = """\
on: push
permissions: {contents: read, artifact-metadata: write, models: read}
concurrency: {group: a, queue: max}
jobs:
  a:
    runs-on: ubuntu-latest
    environment: {name: here, deployment: false}
    concurrency: {group: b, queue: max}
    permissions: {contents: read, artifact-metadata: write}
    steps: [{run: echo ran}]
"""
    hub.push(alice, "main", {".github/workflows/w.yml": workflow})
    (run,) = hub.settle()
    assert (run.conclusion, run.log.splitlines()[-1]) == ("success", "ran"), run.log


def test_many_runs_at_once_write_to_one_branch_and_nothing_is_lost(hub, alice):
    workflow = f"""\
on: {{workflow_dispatch: {{inputs: {{name: {{required: true}}}}}}}}
permissions: {{contents: write}}
jobs:
  a:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@{PIN}
        with: {{ref: notes}}
      - env: {{NAME: "${{{{ inputs.name }}}}"}}
        run: |
          git config user.name x && git config user.email x@example.com
          echo "$NAME" > "$NAME.txt" && git add . && git commit -qm "$NAME"
          until git push -q origin HEAD:notes; do git pull -q --rebase --depth=9 origin notes; done
"""
    hub.push(alice, "main", {".github/workflows/w.yml": workflow})
    hub.push(alice, "notes", {"n.txt": "1"})
    for number in range(4):
        hub.dispatch(alice, "w.yml", {"name": f"n{number}"})
    runs = hub.settle(parallel=4)
    assert [run.conclusion for run in runs] == ["success"] * 4, runs[0].log
    assert [hub.file(f"n{number}.txt", "notes") for number in range(4)] == [
        f"n{number}\n" for number in range(4)
    ]


def test_what_github_would_drop_of_summaries_and_annotations_is_dropped(hub, alice):
    workflow = """\
on: push
jobs:
  a:
    runs-on: ubuntu-latest
    steps:
      - run: for i in $(seq 12); do echo "::error::$i"; done
      - run: head -c 1100000 /dev/zero | tr '\\0' x >> "$GITHUB_STEP_SUMMARY"
      - run: echo kept >> "$GITHUB_STEP_SUMMARY"
"""
    hub.push(alice, "main", {".github/workflows/w.yml": workflow})
    (run,) = hub.settle()
    assert [item["message"] for item in run.annotations][:10] == [str(number) for number in range(1, 11)]
    assert ["upload aborted" in item["message"] for item in run.annotations[10:]] == [True]
    assert run.summary == "kept\n"


def test_a_merged_pull_request_is_closed_on_its_base_branch(hub, alice, bob):
    workflow = hello(
        "{pull_request: {types: [closed]}}",
        "${{ github.ref }} $GITHUB_REF ${{ github.sha }} ${{ github.event.pull_request.merged }}",
    )
    hub.push(alice, "main", {".github/workflows/w.yml": workflow})
    hub.push(alice, "x", {"b.txt": "2"})
    new = hub.merge(bob, hub.open_pr(alice, "x"), "squash")
    (run,) = hub.settle()
    assert run.log.splitlines()[-1] == f"refs/heads/main refs/heads/main {new} true"


INSTALL = """\
runs:
  using: composite
  steps:
    - uses: actions/setup-python@{pin}
    - shell: bash
      run: sed -n 's/^version = //p' "$GITHUB_ACTION_PATH/../../../pyproject.toml"
"""


def test_a_workflow_finds_its_own_actions_at_its_own_commit(hub, alice):
    workflow = "on: push\njobs: {a: {runs-on: ubuntu-latest, steps: [{uses: $/.github/actions/install}]}}\n"
    files = {
        ".github/workflows/w.yml": workflow,
        ".github/actions/install/action.yml": INSTALL.format(pin=PIN),
        "pyproject.toml": "version = 7\n",
    }
    hub.push(alice, "main", files)
    (run,) = hub.settle()
    assert (run.conclusion, run.log.splitlines()[-1]) == ("success", "7"), run.log


def test_a_workflow_of_another_repository_is_called_with_its_own_actions(hub, alice, tmp_path):
    library = {
        ".github/workflows/shared.yml": """\
on: {workflow_call: {inputs: {who: {type: string}}, secrets: {KEY: {required: false}}}}
permissions: {}
jobs:
  first:
    runs-on: ubuntu-latest
    permissions: {contents: read}
    steps: [{uses: $/.github/actions/install}, {run: 'echo "to ${{ inputs.who }} from ${{ github.repository }}"'}]
  second:
    name: Second of ${{ inputs.who }}
    needs: first
    runs-on: ubuntu-latest
    steps: [{run: echo again}]
""",
        ".github/actions/install/action.yml": INSTALL.format(pin=PIN),
        "pyproject.toml": "version = 9\n",
    }
    for path, text in library.items():
        file = tmp_path / "library" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    hub.engine.libraries["other/library"] = tmp_path / "library"
    call_it = f"{{uses: other/library/.github/workflows/shared.yml@{PIN}, with: {{who: me}}, permissions: {{contents: read}}}}"
    hub.push(alice, "main", {".github/workflows/w.yml": f"on: push\njobs: {{call: {call_it}}}\n"})
    (run,) = hub.settle()
    assert run.conclusion == "success", run.log
    assert run.jobs["call / first"].log.splitlines() == ["9", "to me from acme/llm"]
    assert run.jobs["call / second"].permissions["contents"] == "none"
    names = {item.name for item in hub.state.check_runs}
    assert names == {"call / first", "call / Second of me"}


def test_an_action_without_a_stub_fails_its_job(hub, alice):
    workflow = f"on: push\njobs: {{a: {{runs-on: ubuntu-latest, steps: [{{uses: some/action@{PIN}}}]}}}}\n"
    hub.push(alice, "main", {".github/workflows/w.yml": workflow})
    (run,) = hub.settle()
    assert (run.conclusion, "no stub for this action" in run.log) == ("failure", True)


def test_the_evalkit_command_of_this_tree_is_on_the_path_of_jobs(hub, alice):
    workflow = "on: push\njobs: {a: {runs-on: ubuntu-latest, steps: [{run: evalkit --version}]}}\n"
    hub.push(alice, "main", {".github/workflows/w.yml": workflow})
    (run,) = hub.settle()
    assert (run.conclusion, "evalkit" in run.log) == ("success", True), run.log


def test_two_runs_overlap_when_asked_to(hub, alice):
    workflow = """\
on: workflow_dispatch
jobs:
  a:
    runs-on: ubuntu-latest
    steps:
      - run: |
          mkfifo "$PLACE/$NAME" 2>/dev/null || true
          for name in one two; do test -p "$PLACE/$name" || mkfifo "$PLACE/$name" 2>/dev/null || true; done
          if [ "$NAME" = one ]; then echo met > "$PLACE/one"; else cat "$PLACE/one"; fi
        env: {NAME: "${{ inputs.name }}", PLACE: "${{ vars.PLACE }}"}
""".replace("on: workflow_dispatch", "on: {workflow_dispatch: {inputs: {name: {required: true}}}}")
    place = hub.state.root / "meeting"
    place.mkdir()
    hub.settings.variables["PLACE"] = str(place)
    hub.push(alice, "main", {".github/workflows/w.yml": workflow})
    hub.dispatch(alice, "w.yml", {"name": "one"})
    hub.dispatch(alice, "w.yml", {"name": "two"})
    runs = hub.settle(parallel=2)
    assert [run.conclusion for run in runs] == ["success", "success"]
    assert "met" in runs[1].log


def test_pages_and_releases_are_served(hub, alice):
    hub.settings.pages = True
    workflow = f"""\
on: push
permissions: {{}}
jobs:
  site:
    runs-on: ubuntu-latest
    permissions: {{pages: write, id-token: write}}
    steps:
      - run: mkdir _site && echo '{{}}' > _site/bundle.json
      - uses: actions/upload-pages-artifact@{PIN}
        with: {{path: _site}}
      - uses: actions/deploy-pages@{PIN}
"""
    hub.push(alice, "main", {".github/workflows/w.yml": workflow})
    (run,) = hub.settle()
    assert run.conclusion == "success", run.log
    assert hub.state.pages == {"bundle.json": b"{}\n"}
    release = call(hub, alice.token, "POST", "/releases", {"tag_name": "bundle"})[1]
    upload = release["upload_url"].split("{")[0] + "?name=bundle.json"
    status, made = call(hub, alice.token, "POST", upload, {"a": 1})
    assert (status, made["name"]) == (201, "bundle.json")
    assert call(hub, alice.token, "POST", upload, {"a": 1})[0] == 422
    assert call(hub, "", "GET", made["browser_download_url"])[0] == 404
    hub.settings.private = False
    status, value, headers = call(hub, "", "GET", made["browser_download_url"], full=True)
    assert (status, value, headers["ETag"][0]) == (200, {"a": 1}, '"')
    assert call(hub, "", "GET", f"{hub.url}/_standin/site/bundle.json")[1] == {}
    with urllib.request.urlopen(urllib.request.Request(made["url"], headers={
        "Authorization": f"Bearer {alice.token}", "Accept": "application/octet-stream"}), timeout=20) as answer:  # fmt: skip
        assert json.loads(answer.read()) == {"a": 1}


def test_the_doctor_can_read_the_settings(hub, alice):
    hub.settings.protect("main", code_owners=True)
    hub.settings.environments["keys"] = Environment(secrets={"KEY": "k"}, branches=("main",))
    owner = hub.owner.token
    names = [rule["type"] for rule in call(hub, owner, "GET", "/rules/branches/main")[1]]
    assert names == ["deletion", "non_fast_forward", "pull_request", "required_status_checks"]
    assert (
        call(hub, owner, "GET", "/actions/permissions/workflow")[1]["can_approve_pull_request_reviews"]
        is True
    )
    assert call(hub, alice.token, "GET", "/actions/permissions/workflow")[0] == 403
    policies = call(hub, owner, "GET", "/environments/keys/deployment-branch-policies")[1]["branch_policies"]
    assert [item["name"] for item in policies] == ["main"]
    assert [s["name"] for s in call(hub, owner, "GET", "/environments/keys/secrets")[1]["secrets"]] == ["KEY"]


def test_what_github_does_not_describe_is_noted(tmp_path):
    with StandIn(tmp_path, {"a.txt": "1"}) as hub:
        call(hub, hub.owner.token, "GET", "/nothing/of/this")
        call(hub, hub.owner.token, "POST", "/git/blobs", {"content": "x", "encoding": 5})
        assert hub.contract.violations == [
            "GET /repos/acme/llm/nothing/of/this: GitHub describes no such endpoint",
            'POST /repos/{owner}/{repo}/git/blobs request: at `encoding`: 5 is not of type "string"',
        ]
