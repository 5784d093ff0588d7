"""What an operator is told of hosts, from what they say of themselves."""

from __future__ import annotations

from typing import Any

from ops import status

NOW = 1_800_000_000.0
WELL: dict[str, Any] = {
    "host": "worker01",
    "at": NOW - 60,
    "wrong": [],
    "repaired": [
        {"at": NOW - 3 * status.DAY, "what": "long ago"},
        {"at": NOW - 90, "what": "mounted /mnt/cinder/data"},
    ],
    "load": 0.31,
    "memory_mib": {"total": 7950, "available": 5100},
    "disks": {"/": {"gib": 19.6, "used": 0.24}, "/mnt/cinder/data": {"gib": 1024.0, "used": 0.5}},
}


def test_a_host_that_is_well_has_a_line_with_its_room_and_what_it_put_right() -> None:
    lines, fine = status.table([WELL], NOW)
    assert fine
    assert [" ".join(line.split()) for line in lines[1:]] == [
        "worker01 well 0.3 5100 of 7950 / 24% of 20, /mnt/cinder/data 50% of 1024 1: mounted /mnt/cinder/data"
    ]


def test_what_is_wrong_is_below_the_table_by_host() -> None:
    stopped = "datanode.service was stopped by somebody: systemctl start datanode.service"
    silent = {"host": "worker03", "wrong": ["gaia-test-worker03: no route to host"], "silent": True}
    late = {**WELL, "host": "worker02", "at": NOW - status.LATE - 1, "wrong": [stopped]}
    lines, fine = status.table([WELL, late, silent], NOW)
    assert not fine
    assert [line.split()[1:3] for line in lines[1:4]] == [["well", "0.3"], ["wrong", "0.3"], ["no", "answer"]]
    assert lines[4:] == [
        f"worker02: {stopped}",
        "worker02: it has not looked at itself for ten minutes: systemctl status gaia-hold.timer",
        "worker03: gaia-test-worker03: no route to host",
    ]
