"""When a load balancer's monitor calls a member up or down. (That it asks, and what comes of it: tests/cloud.)"""

from __future__ import annotations

import pytest

from sandbox.services.health import Check, Seen, judged

CHECK = Check(
    member="m", namespace="n", kind="TCP", address="10.0.0.1", port=80, path="/", delay=1, timeout=1, falls=3, rises=2
)


@pytest.mark.parametrize(
    ("status", "answers", "said"),
    [
        ("NO_MONITOR", [True], ["ONLINE"]),  # the first answer counts at once
        ("NO_MONITOR", [False], ["ERROR"]),
        ("ONLINE", [False, False, False], ["", "", "ERROR"]),
        ("ONLINE", [False, False, True, False], ["", "", "", ""]),  # in a row
        ("ERROR", [True, True], ["", "ONLINE"]),
        ("ONLINE", [True], [""]),
    ],
)
def test_a_member_changes_after_as_many_answers_in_a_row_as_its_monitor_says(
    status: str, answers: list[bool], said: list[str]
) -> None:
    seen = Seen()
    assert [judged(seen, CHECK, status, answer) for answer in answers] == said
