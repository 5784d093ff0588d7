"""Where changes are reviewed: comments on a request and issues, at GitHub or GitLab, as the job that runs there may.

A text of ours begins with a marker. It is written once and then brought up to date, so that a request has one comment
for each stack and not one for each push.
"""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ops.cloud import OpsError

LIMIT = 60  # seconds for a request
PAGE = 100  # entries: the most that both give


@dataclass(frozen=True)
class Texts:
    """A kind of text: where those that there are, and new ones, are asked for, and where one of them is changed."""

    listed: str
    one: str
    verb: str
    number: str  # its key of what `one` names it by
    body: str  # its key of the text


@dataclass(frozen=True)
class Forge:
    """A repository by its API."""

    api: str
    headers: Mapping[str, str]
    comments: Texts | None  # None where the job is about no request
    issues: Texts

    def comment(self, marker: str, text: str) -> str:
        """Write the request's comment of this marker, or bring it up to date; what was done. Raises OpsError."""
        if not self.comments:
            raise OpsError("this job is about no pull or merge request: there is nothing to comment on")
        return f"comment {self._keep(self.comments, marker, {self.comments.body: _marked(marker, text)})}"

    def issue(self, marker: str, title: str, text: str) -> str:
        """Open the issue of this marker, or bring the open one up to date; what was done. Raises OpsError."""
        content = {"title": title, self.issues.body: _marked(marker, text)}
        return f"issue {self._keep(self.issues, marker, content)}"

    def _keep(self, texts: Texts, marker: str, content: Mapping[str, str]) -> str:
        for found in self._all(texts.listed):
            if (found.get(texts.body) or "").startswith(marker):
                self._ask(texts.verb, texts.one.format(found[texts.number]), content)
                return "brought up to date"
        self._ask("POST", texts.listed.partition("?")[0], content)
        return "written"

    def _all(self, path: str) -> Iterator[dict[str, Any]]:
        page = 1
        while found := self._ask("GET", f"{path}{'&' if '?' in path else '?'}per_page={PAGE}&page={page}"):
            yield from found
            page += 1

    def _ask(self, verb: str, path: str, body: Mapping[str, str] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {**self.headers, "Content-Type": "application/json"}
        request = urllib.request.Request(self.api + path, data=data, method=verb, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=LIMIT) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as problem:
            where, said = urllib.parse.urlsplit(request.full_url).path, problem.read(300).decode(errors="replace")
            raise OpsError(f"{verb} {where} is answered with {problem.code}: {said}") from None
        except OSError as problem:
            raise OpsError(f"{self.api} does not answer: {problem}") from None


def _marked(marker: str, text: str) -> str:
    return f"{marker}\n{text}"


def of_job(environment: Mapping[str, str]) -> Forge:
    """The forge whose job this is, by the variables that it sets. Raises OpsError with what is missing."""
    if "GITHUB_REPOSITORY" in environment:
        return github(environment)
    if "CI_PROJECT_ID" in environment:
        return gitlab(environment)
    raise OpsError("neither GITHUB_REPOSITORY nor CI_PROJECT_ID is set: this is no job of GitHub or GitLab")


def github(environment: Mapping[str, str]) -> Forge:
    """GitHub. GITHUB_TOKEN needs `pull-requests: write` for comments, `issues: write` for issues."""
    request = re.fullmatch(r"refs/pull/(\d+)/merge", environment.get("GITHUB_REF", ""))
    of_request = f"/issues/{request[1]}/comments" if request else ""
    comments = Texts(of_request, "/issues/comments/{}", "PATCH", "id", "body") if request else None
    token = _needed(environment, "GITHUB_TOKEN")
    return Forge(
        api=f"{environment.get('GITHUB_API_URL', 'https://api.github.com')}/repos/{environment['GITHUB_REPOSITORY']}",
        headers={"Authorization": f"Bearer {token}", "Accept": "application/vnd.github+json"},
        comments=comments,
        issues=Texts("/issues?state=open", "/issues/{}", "PATCH", "number", "body"),
    )


def gitlab(environment: Mapping[str, str]) -> Forge:
    """GitLab. GITLAB_TOKEN is a project access token with the scope `api`: a job's own token may not write these."""
    request = environment.get("CI_MERGE_REQUEST_IID", "")
    notes = f"/merge_requests/{request}/notes"
    return Forge(
        api=f"{_needed(environment, 'CI_API_V4_URL')}/projects/{environment['CI_PROJECT_ID']}",
        headers={"PRIVATE-TOKEN": _needed(environment, "GITLAB_TOKEN")},
        comments=Texts(notes, notes + "/{}", "PUT", "id", "body") if request else None,
        issues=Texts("/issues?state=opened", "/issues/{}", "PUT", "iid", "description"),
    )


def _needed(environment: Mapping[str, str], name: str) -> str:
    if not environment.get(name):
        raise OpsError(f"{name} is not set")
    return environment[name]
