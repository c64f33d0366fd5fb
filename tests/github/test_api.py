"""GitHub's refusals in plain words, waiting and repeating: against a server that answers what the test tells it."""

from __future__ import annotations

import base64
import hashlib
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from scripted_github import TOKEN, Said, Script

from evalkit.errors import UsageError
from evalkit.github.api import GitHubForge
from evalkit.github.forge import Artifact, ForgeError, MovedOn

PULL = {
    "number": 7,
    "title": "Promote",
    "body": None,
    "state": "open",
    "merged_at": None,
    "merge_commit_sha": "f" * 40,
    "user": {"login": "github-actions[bot]"},
    "head": {"ref": "evalkit/x", "sha": "a" * 40, "repo": {"full_name": "acme/llm"}},
    "base": {"ref": "main", "sha": "b" * 40},
    "html_url": "https://github.com/acme/llm/pull/7",
    "labels": [{"name": "evalkit"}],
}
ACTIONS_PRS = "GitHub Actions is not permitted to create or approve pull requests."


def refusal(call) -> str:
    with pytest.raises(ForgeError) as caught:
        call()
    assert TOKEN not in str(caught.value)
    assert all(problem.hint for problem in caught.value.problems)
    return str(caught.value)


def test_a_token_that_is_not_accepted_is_named_with_where_it_belongs(script: Script) -> None:
    script.say("GET", "/pulls/7", Said(401, {"message": "Bad credentials"}))
    said = refusal(lambda: script.forge().pull(7))
    assert said.startswith(
        "EK873 cannot read pull request 7: GitHub does not accept the token (Bad credentials)"
    )
    assert "GITHUB_TOKEN" in said


def test_a_missing_permission_is_named_as_the_line_to_add_to_the_job(script: Script) -> None:
    script.say("POST", "/statuses/abc", Said(403, {"message": "Resource not accessible by integration"}))
    said = refusal(lambda: script.forge().set_status("abc", "check", "success", "done"))
    assert said.startswith("EK873 cannot set the status check of abc")
    assert "add `statuses: write` under `permissions:`" in said


def test_the_setting_that_keeps_workflows_from_opening_pull_requests_is_named(script: Script) -> None:
    script.say("POST", "/pulls", Said(403, {"message": ACTIONS_PRS}))
    said = refusal(lambda: script.forge().open_pull(head="evalkit/x", base="main", title="t", body="b"))
    assert said.startswith("EK874")
    assert "Settings > Actions > General > Workflow permissions" in said
    assert "Allow GitHub Actions to create and approve pull requests" in said


def test_none_is_not_answered_when_the_repository_itself_cannot_be_seen(script: Script) -> None:
    script.say("GET", "", Said(404, {"message": "Not Found"}))
    said = refusal(lambda: script.forge().head_of("main"))
    assert said.startswith("EK873 cannot read the branch main: there is no repository acme/llm")


def test_a_branch_that_is_not_there_is_none_and_the_repository_is_looked_for_once(script: Script) -> None:
    forge = script.forge()
    assert forge.head_of("a") is None
    assert forge.head_of("b") is None
    assert script.verbs().count("GET ") == 1


def test_what_github_says_of_a_refusal_is_in_the_message(script: Script) -> None:
    errors = [{"resource": "PullRequest", "code": "custom", "message": "No commits between main and x"}]
    script.say("POST", "/pulls", Said(422, {"message": "Validation Failed", "errors": errors}))
    script.say("GET", "/pulls", Said(data=[]))
    said = refusal(lambda: script.forge().open_pull(head="x", base="main", title="t", body="b"))
    assert "EK879" in said
    assert "(Validation Failed: No commits between main and x)" in said


def test_a_server_that_repeats_the_token_does_not_get_it_into_a_message(script: Script) -> None:
    script.say("GET", "/pulls/7", Said(400, {"message": f"Bad header: token {TOKEN}"}))
    assert "(Bad header: token ***)" in refusal(lambda: script.forge().pull(7))


def test_a_rule_of_the_repository_is_told_from_a_missing_permission(script: Script) -> None:
    script.say("PATCH", "/pulls/7", Said(403, {"message": "Repository rule violations found"}))
    assert "EK879" in refusal(lambda: script.forge().close_pull(7))


def test_retry_after_is_waited_for_before_the_request_is_sent_again(script: Script) -> None:
    limited = Said(403, {"message": "You have exceeded a secondary rate limit."}, {"Retry-After": "42"})
    script.say("POST", "/issues/7/comments", limited, Said(201, {"id": 5, "user": None, "body": "hello"}))
    assert script.forge().comment(7, "hello").author == "ghost"
    assert script.slept == [42.0]
    assert script.verbs() == ["POST /issues/7/comments"] * 2


@pytest.mark.parametrize("status", [403, 429])
def test_a_used_up_limit_is_waited_for_until_it_is_reset(script: Script, status: int) -> None:
    headers = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(script.now) + 60)}
    script.say(
        "GET", "/pulls/7", Said(status, {"message": "API rate limit exceeded"}, headers), Said(data=PULL)
    )
    assert script.forge().pull(7) is not None
    assert script.slept == [61.0]


def test_a_secondary_limit_without_a_time_is_waited_for_a_minute_and_then_longer(script: Script) -> None:
    limited = Said(403, {"message": "You have exceeded a secondary rate limit"})
    script.say("GET", "/pulls/7", limited, limited, Said(data=PULL))
    script.forge().pull(7)
    assert script.slept == [60.0, 120.0]


def test_waiting_ends_when_the_patience_does(script: Script) -> None:
    script.say("GET", "/pulls/7", Said(429, {"message": "slow"}, {"Retry-After": "400"}))
    said = refusal(lambda: script.forge().pull(7))
    assert "EK875 cannot read pull request 7: GitHub asks to wait until 2027-01-15" in said
    assert sum(script.slept) <= 900


def test_a_lost_answer_of_a_read_is_asked_for_again(script: Script) -> None:
    script.say("GET", "/pulls/7", Said(drop=True), Said(502, raw=b"<html>bad gateway"), Said(data=PULL))
    assert script.forge().pull(7) is not None
    assert script.slept == [1.0, 2.0]


def test_a_server_that_never_answers_is_named_after_a_finite_time(script: Script) -> None:
    script.say("GET", "/pulls/7", Said(drop=True))
    said = refusal(lambda: script.forge().pull(7))
    assert said.startswith(f"EK871 cannot read pull request 7: no answer from {script.url} (")
    assert "object at 0x" not in said
    assert sum(script.slept) == 31.0


def test_a_server_that_is_not_there_is_no_traceback(script: Script) -> None:
    script.close()
    assert "EK871" in refusal(lambda: script.forge().pull(7))


def test_an_answer_that_is_no_json_is_no_traceback(script: Script) -> None:
    script.say("GET", "/pulls/7", Said(raw=b"<html>log in</html>"))
    assert "its answer is no JSON" in refusal(lambda: script.forge().pull(7))


def test_a_pull_request_whose_opening_was_lost_is_looked_up_and_not_opened_twice(script: Script) -> None:
    script.say("POST", "/pulls", Said(drop=True))
    script.say("GET", "/pulls", Said(data=[PULL]))
    assert script.forge().open_pull(head="evalkit/x", base="main", title="t", body="b").number == 7
    assert script.verbs() == ["POST /pulls", "GET /pulls"]


def test_a_pull_request_that_was_not_opened_after_all_is_opened(script: Script) -> None:
    script.say("POST", "/pulls", Said(drop=True), Said(201, PULL))
    script.say("GET", "/pulls", Said(data=[]))
    assert script.forge().open_pull(head="evalkit/x", base="main", title="t", body="b").number == 7
    assert script.verbs() == ["POST /pulls", "GET /pulls", "POST /pulls"]


def test_a_comment_whose_answer_was_lost_is_not_written_twice(script: Script) -> None:
    script.say("POST", "/issues/7/comments", Said(502, raw=b"oops"))
    listed = [
        {"id": 1, "user": {"login": "casey"}, "body": "hello"},
        {"id": 2, "user": {"login": "github-actions[bot]"}, "body": "hello\r\n"},
    ]
    script.say("GET", "/issues/7/comments", Said(data=listed))
    script.say("GET", "//user", Said(403, {"message": "Resource not accessible by integration"}))
    assert script.forge().comment(7, "hello\n").id == 2
    assert script.verbs().count("POST /issues/7/comments") == 1


def test_a_dispatch_whose_answer_was_lost_is_not_repeated(script: Script) -> None:
    script.say("POST", "/actions/workflows/evaluate.yml/dispatches", Said(drop=True))
    assert "EK871" in refusal(lambda: script.forge().dispatch("evaluate.yml", "main", {"pr": "7"}))
    assert len(script.asked) == 1


def test_many_writes_lie_a_second_apart_and_few_do_not(script: Script) -> None:
    script.say("POST", "/issues/7/labels", Said(data=[]))
    forge = script.forge()
    for _ in range(20):
        forge.add_labels(7, ["evalkit"])
    assert script.slept == []
    forge.add_labels(7, ["evalkit"])
    assert script.slept == [1.0]


def test_lists_are_read_page_by_page_as_they_are_needed(script: Script) -> None:
    def page(number: int, *, more: bool) -> Said:
        link = {"Link": f'<{script.url}/x?page={number + 1}>; rel="next"'} if more else {}
        return Said(data=[{"id": number, "user": {"login": "casey"}, "body": ""}], headers=link)

    script.say("GET", "/issues/7/comments", page(1, more=True), page(2, more=False))
    listed = script.forge().comments(7)
    assert next(listed).id == 1
    assert len(script.asked) == 1
    assert [one.id for one in listed] == [2]
    assert "page=2" in script.asked[1].path


def test_pull_requests_of_forks_are_left_out(script: Script) -> None:
    fork = {**PULL, "head": {**PULL["head"], "repo": {"full_name": "mallory/llm"}}}
    gone = {**PULL, "head": {**PULL["head"], "repo": None}}
    script.say("GET", "/pulls", Said(data=[fork, gone, PULL]))
    assert len(list(script.forge().pulls(head="evalkit/x"))) == 1
    assert "head=acme%3Aevalkit%2Fx" in script.asked[0].path


def test_the_trial_merge_of_an_open_pull_request_is_not_its_merge_commit(script: Script) -> None:
    script.say("GET", "/pulls/7", Said(data=PULL))
    found = script.forge().pull(7)
    assert found is not None
    assert found.merge_commit is None
    assert (found.body, found.labels) == ("", ("evalkit",))


def test_a_body_that_is_too_long_is_refused_before_it_is_sent(script: Script) -> None:
    forge = script.forge()
    for call in (
        lambda: forge.comment(7, "x" * 65_537),
        lambda: forge.edit_comment(7, "\U0001f600" * 32_769),
        lambda: forge.update_pull(7, body="x" * 65_537),
        lambda: forge.open_pull(head="x", base="main", title="t", body="x" * 65_537),
    ):
        assert "EK878" in refusal(call)
    assert script.asked == []


def test_more_commits_than_github_lists_are_not_taken_for_all(script: Script) -> None:
    raw = [{"sha": f"{number:040x}", "author": None} for number in range(250)]
    script.say("GET", "/pulls/7/commits", Said(data=raw))
    assert "EK879" in refusal(lambda: script.forge().commits_of(7))


@pytest.mark.parametrize(
    ("check", "status", "newest"),
    [
        ("2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z", "failure"),
        ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", "success"),
    ],
)
def test_the_newest_of_check_runs_and_statuses_counts(
    script: Script, check: str, status: str, newest: str
) -> None:
    runs = [{"name": "check", "conclusion": "timed_out", "started_at": check, "completed_at": check}]
    script.say("GET", "/commits/abc/check-runs", Said(data={"check_runs": runs}))
    statuses = [
        {"context": "other", "state": "error"},
        {"context": "check", "state": "success", "created_at": status},
    ]
    script.say("GET", "/commits/abc/statuses", Said(data=statuses))
    assert script.forge().status("abc", "check") == newest


def test_a_check_that_runs_is_pending_and_one_that_is_not_there_is_none(script: Script) -> None:
    runs = [{"name": "check", "conclusion": None, "started_at": "2026-01-01T00:00:00Z", "completed_at": None}]
    script.say("GET", "/commits/abc/check-runs", Said(data={"check_runs": runs}))
    script.say("GET", "/commits/abc/statuses", Said(data=[]))
    assert script.forge().status("abc", "check") == "pending"
    script.say("GET", "/commits/abc/check-runs", Said(data={"check_runs": []}))
    assert script.forge().status("abc", "check") is None


def test_an_apps_login_is_asked_for_by_graphql(script: Script) -> None:
    script.say("GET", "//user", Said(403, {"message": "Resource not accessible by integration"}))
    script.say("POST", "//graphql", Said(data={"data": {"viewer": {"login": "evalkit[bot]"}}}))
    assert script.forge(is_app=True).login() == "evalkit[bot]"
    assert script.forge().login() == "github-actions[bot]"


def test_a_workflow_may_say_who_its_app_is(script: Script) -> None:
    environ = {"GITHUB_REPOSITORY": "acme/llm", "GITHUB_TOKEN": TOKEN, "EVALKIT_LOGIN": "evalkit[bot]"}
    assert GitHubForge.from_environment(environ).login() == "evalkit[bot]"
    assert script.asked == []


# Commits


def tree(script: Script, commit: str, **entries: str) -> None:
    listed = [
        {"path": name, "mode": mode, "type": "blob", "sha": f"id-{name}"} for name, mode in entries.items()
    ]
    script.say("GET", f"/git/trees/{commit}", Said(data={"tree": listed, "truncated": False}))
    script.say("GET", f"/git/commits/{commit}", Said(data={"tree": {"sha": "base-tree"}}))
    script.say("POST", "/git/trees", Said(201, {"sha": "new-tree"}))
    script.say("POST", "/git/blobs", Said(201, {"sha": "new-blob"}))
    script.say("POST", "/git/commits", Said(201, {"sha": "new"}))


def at(commit: str) -> Said:
    return Said(data={"object": {"sha": commit}})


def test_a_commit_is_one_tree_one_commit_and_a_move_without_force(script: Script) -> None:
    script.say("GET", "/git/ref/heads/b", at("old"))
    tree(script, "old", gone="100644")
    script.say("PATCH", "/git/refs/heads/b", at("new"))
    files = {"a/text.yaml": b"x: 1\n", "gone": None, "never-there": None, "a/data.bin": b"\xff\x00"}
    assert script.forge().commit("b", "Say", files, parents=["old"]) == "new"
    sent = {one.path.removeprefix("/repos/acme/llm"): one.body for one in script.asked if one.body}
    assert sent["/git/trees"] == {
        "base_tree": "base-tree",
        "tree": [
            {"path": "a/data.bin", "mode": "100644", "type": "blob", "sha": "new-blob"},
            {"path": "a/text.yaml", "mode": "100644", "type": "blob", "content": "x: 1\n"},
            {"path": "gone", "mode": "100644", "type": "blob", "sha": None},
        ],
    }
    assert base64.b64decode(sent["/git/blobs"]["content"]) == b"\xff\x00"
    assert sent["/git/commits"] == {"message": "Say", "tree": "new-tree", "parents": ["old"]}
    assert sent["/git/refs/heads/b"] == {"sha": "new", "force": False}


def test_a_branch_that_is_elsewhere_is_found_before_anything_is_uploaded(script: Script) -> None:
    script.say("GET", "/git/ref/heads/b", at("elsewhere"))
    with pytest.raises(MovedOn, match="EK872"):
        script.forge().commit("b", "m", {"a": b"1"}, parents=["old"])
    assert script.verbs() == ["GET /git/ref/heads/b"]


@pytest.mark.parametrize(
    ("status", "message"),
    [(422, "Update is not a fast forward"), (409, "Conflict"), (404, "Not Found")],
)
def test_a_branch_that_moves_meanwhile_is_left_alone(script: Script, status: int, message: str) -> None:
    script.say("GET", "/git/ref/heads/b", at("old"))
    tree(script, "old")
    script.say("PATCH", "/git/refs/heads/b", Said(status, {"message": message}))
    with pytest.raises(MovedOn, match="EK872"):
        script.forge().commit("b", "m", {"a": b"1"}, parents=["old"])


def test_a_protected_branch_is_not_taken_for_one_that_moved(script: Script) -> None:
    script.say("GET", "/git/ref/heads/b", at("old"))
    tree(script, "old")
    script.say("PATCH", "/git/refs/heads/b", Said(422, {"message": "Repository rule violations found"}))
    with pytest.raises(ForgeError, match="EK879") as caught:
        script.forge().commit("b", "m", {"a": b"1"}, parents=["old"])
    assert not isinstance(caught.value, MovedOn)


def test_a_new_branch_whose_making_was_lost_is_recognised(script: Script) -> None:
    tree(script, "old")
    missing = Said(404, {"message": "Not Found"})
    script.say("GET", "/git/ref/heads/b", missing, at("new"))
    script.say("POST", "/git/refs", Said(drop=True), Said(422, {"message": "Reference already exists"}))
    assert script.forge().commit("b", "m", {"a": b"1"}, parents=["old"]) == "new"


def test_a_branch_that_somebody_else_makes_meanwhile_is_left_alone(script: Script) -> None:
    tree(script, "old")
    script.say("GET", "/git/ref/heads/b", Said(404, {"message": "Not Found"}), at("theirs"))
    script.say("POST", "/git/refs", Said(422, {"message": "Reference already exists"}))
    with pytest.raises(MovedOn, match="EK872"):
        script.forge().commit("b", "m", {"a": b"1"}, parents=["old"])


def test_many_files_make_several_trees_one_upon_the_other(script: Script) -> None:
    script.say("GET", "/git/ref/heads/b", at("old"))
    tree(script, "old")
    script.say("POST", "/git/trees", Said(201, {"sha": "first"}), Said(201, {"sha": "second"}))
    script.say("PATCH", "/git/refs/heads/b", at("new"))
    script.forge().commit("b", "m", {f"f{number:03}": b"1" for number in range(201)}, parents=["old"])
    made = [one.body for one in script.asked if one.path.endswith("/git/trees") and one.body]
    assert [(one["base_tree"], len(one["tree"])) for one in made] == [("base-tree", 200), ("first", 1)]


def test_a_link_and_a_submodule_are_no_files(script: Script) -> None:
    tree(script, "c", link="120000", module="160000", plain="100644")
    script.say("GET", "/git/blobs/id-plain", Said(data={"content": "aGVs\nbG8=\n", "encoding": "base64"}))
    forge = script.forge()
    assert [forge.read(name, "c") for name in ("link", "module", "plain", "none")] == [
        None,
        None,
        b"hello",
        None,
    ]


def test_deleting_a_branch_that_is_gone_does_nothing(script: Script) -> None:
    script.say("DELETE", "/git/refs/heads/b", Said(422, {"message": "Reference does not exist"}))
    script.forge().delete_branch("b")


# Artifacts and releases


def artifact(**changes: object) -> Artifact:
    known = {
        "id": 3,
        "name": "evalkit-evidence-x",
        "digest": None,
        "is_expired": False,
        "run_id": 9,
        "size_bytes": 5,
        "created": datetime(2026, 1, 1, tzinfo=UTC),
    }
    return Artifact(**{**known, **changes})


def test_the_token_does_not_go_to_the_store_of_the_archive(script: Script) -> None:
    store = Script()
    store.say("GET", "//archive.zip", Said(raw=b"zipped"))
    script.say(
        "GET", "/actions/artifacts/3/zip", Said(302, headers={"Location": f"{store.url}/archive.zip?sig=1"})
    )
    assert script.forge().download(artifact(), 100) == b"zipped"
    assert TOKEN in script.asked[0].authorization
    assert store.asked[0].authorization == ""
    store.close()


def test_an_archive_that_is_larger_than_it_says_is_not_read_to_its_end(script: Script) -> None:
    script.say("GET", "/actions/artifacts/3/zip", Said(302, headers={"Location": f"{script.url}/big"}))
    script.say("GET", "//big", Said(raw=b"x" * 1_000_000))
    assert "EK877" in refusal(lambda: script.forge().download(artifact(), 100))
    assert "EK877" in refusal(lambda: script.forge().download(artifact(size_bytes=101), 100))


def test_an_expired_artifact_is_gone(script: Script) -> None:
    script.say("GET", "/actions/artifacts/3/zip", Said(410, {"message": "Artifact has expired"}))
    assert "EK876" in refusal(lambda: script.forge().download(artifact(), 100))
    assert "EK876" in refusal(lambda: script.forge().download(artifact(is_expired=True), 100))


def test_an_asset_is_replaced_by_one_that_was_uploaded_before_the_old_one_went(script: Script) -> None:
    old = {"id": 1, "name": "bundle.json", "browser_download_url": "https://x/bundle.json"}
    script.say(
        "GET", "/releases/tags/t", Said(data={"id": 5, "upload_url": f"{script.url}/up{{?name,label}}"})
    )
    script.say("GET", "/releases/5/assets", Said(data=[old]))
    script.say("POST", "//up", Said(201, {"id": 2, "name": "waiting"}))
    script.say("DELETE", "/releases/assets/1", Said(204, raw=b""))
    script.say("PATCH", "/releases/assets/2", Said(data={"browser_download_url": "https://x/bundle.json"}))
    assert script.forge().put_release_asset("t", "bundle.json", b"{}") == "https://x/bundle.json"
    assert script.verbs()[-3:] == ["POST /up", "DELETE /releases/assets/1", "PATCH /releases/assets/2"]


def test_an_asset_that_is_there_already_is_not_uploaded(script: Script) -> None:
    digest = f"sha256:{hashlib.sha256(b'{}').hexdigest()}"
    old = {"id": 1, "name": "b.json", "browser_download_url": "https://x/b.json", "digest": digest}
    script.say("GET", "/releases/tags/t", Said(data={"id": 5, "upload_url": f"{script.url}/up"}))
    script.say("GET", "/releases/5/assets", Said(data=[old]))
    assert script.forge().put_release_asset("t", "b.json", b"{}") == "https://x/b.json"
    assert {one.verb for one in script.asked} == {"GET"}


def test_an_upload_goes_to_no_host_but_githubs_own(script: Script) -> None:
    script.say("GET", "/releases/tags/t", Said(data={"id": 5, "upload_url": "https://evil.test/up"}))
    script.say("GET", "/releases/5/assets", Said(data=[]))
    assert "somebody else" in refusal(lambda: script.forge().put_release_asset("t", "b.json", b"{}"))


# The environment


@pytest.mark.parametrize(
    ("repository", "token", "api_url"),
    [
        ("acme", TOKEN, "https://api.github.com"),
        ("acme/llm/x", TOKEN, "https://api.github.com"),
        ("acme/llm", " \n", "https://api.github.com"),
        ("acme/llm", "two words", "https://api.github.com"),
        ("acme/llm", TOKEN, "http://api.github.com"),
        ("acme/llm", TOKEN, "https://["),
        ("acme/llm", TOKEN, "ftp://localhost"),
    ],
)
def test_what_cannot_be_used_is_refused_before_anything_is_sent(
    repository: str, token: str, api_url: str
) -> None:
    with pytest.raises(UsageError, match="EK870") as caught:
        GitHubForge(repository, token, api_url)
    assert TOKEN not in str(caught.value)


def test_the_forge_of_a_workflow_is_the_one_that_its_environment_names(script: Script) -> None:
    environ = {
        "GITHUB_REPOSITORY": "acme/llm",
        "GITHUB_TOKEN": f"{TOKEN}\n",
        "GITHUB_API_URL": script.url,
        "EVALKIT_TOKEN_KIND": "app",
    }
    forge = GitHubForge.from_environment(environ)
    assert (forge.repository, forge.is_app, forge.default_branch()) == ("acme/llm", True, "main")
    assert script.asked[0].authorization == f"token {TOKEN}"


def test_the_client_library_is_loaded_only_when_a_forge_is_made() -> None:
    code = (
        "import sys, evalkit.github.api, evalkit.github.forge, evalkit.github.environment, evalkit.github.summary,"
        "evalkit.github.checkout, evalkit.testing.fake_forge;"
        "print(sorted({'github', 'requests', 'github_action_utils'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
