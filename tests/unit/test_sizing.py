"""Sizes against the platform's table, and against Spark's and YARN's own rules over many flavors."""

from __future__ import annotations

import itertools

import pytest

from components.hadoop.sizing import Flavor, Sizes, SizingError, compute
from components.settings.hadoop import Sizing

TINY = Flavor(name="general.v1.tiny", vcpus=2, ram_mib=6144)
SMALL = Flavor(name="general.v1.small", vcpus=6, ram_mib=22528)
MEDIUM = Flavor(name="general.v1.medium", vcpus=14, ram_mib=46080)
GIB = 1024


def sizes(worker: Flavor, workers: int, gateway: Flavor = SMALL, **overrides: int) -> Sizes:
    return compute(gateway=gateway, master=TINY, worker=worker, workers=workers, overrides=Sizing(**overrides))


def test_four_medium_workers_get_the_settings_that_were_in_force() -> None:
    found = sizes(MEDIUM, 4)
    assert (found.container_max_mib, found.node_vcores) == (43008, 13)
    assert (found.executor_memory_mib, found.executor_cores, found.max_executors) == (13 * GIB, 4, 11)
    alone = sizes(MEDIUM, 4, sessions=1)
    assert (alone.driver_memory_mib, alone.driver_max_result_mib) == (13 * GIB, 8 * GIB)


def test_application_masters_are_small_and_many_fit_into_an_executors_place() -> None:
    found = sizes(MEDIUM, 4)
    executor = found.executor_memory_mib + found.executor_overhead_mib
    assert executor // (found.am_memory_mib + found.am_overhead_mib) >= 20
    assert sizes(MEDIUM, 40).am_memory_mib > found.am_memory_mib  # it keeps an account of every executor


def test_as_many_drivers_as_the_gateway_has_memory_for_each_have_their_share() -> None:
    for gateway in (TINY, SMALL, MEDIUM):
        found = sizes(MEDIUM, 4, gateway=gateway)
        assert found.sessions * found.driver_memory_mib * 3 // 2 + 1 * GIB <= gateway.ram_mib
    assert [sizes(MEDIUM, 4, gateway=gateway).sessions for gateway in (TINY, SMALL, MEDIUM)] == [1, 5, 10]
    assert sizes(MEDIUM, 4, sessions=10).driver_memory_mib < sizes(MEDIUM, 4).driver_memory_mib


def test_executors_per_node_follow_the_rule_that_was_in_use() -> None:
    found = sizes(MEDIUM, 4)
    assert found.executors_per_node == (found.container_max_mib - 512) // found.executor_memory_mib == 3


def test_sixteen_tiny_workers_give_two_executors_of_one_core_each_less_one() -> None:
    found = sizes(TINY, 16)
    assert (found.node_vcores, found.executor_cores, found.executors_per_node) == (2, 1, 2)
    assert found.max_executors == 31
    assert 6 * GIB - found.container_max_mib >= 1536


def test_eight_small_workers_keep_a_core_and_two_gibibytes_for_their_daemons() -> None:
    found = sizes(SMALL, 8)
    assert (found.node_vcores, found.executor_cores, found.max_executors) == (5, 2, 15)
    assert SMALL.ram_mib - found.container_max_mib == 2 * GIB


def test_the_demo_has_room_for_a_driver_an_application_master_and_two_executors() -> None:
    found = sizes(TINY, 2, gateway=TINY)
    assert found.max_executors >= 2
    assert found.driver_memory_mib + found.zeppelin_heap_mib + 1 * GIB <= TINY.ram_mib


def test_every_flavor_obeys_sparks_and_yarns_rules() -> None:
    flavors = itertools.product((2, 4, 6, 8, 14, 16, 27, 32, 54, 64), (4, 6, 8, 16, 22, 32, 45, 64, 88, 176, 384))
    for (cores, ram), workers in itertools.product(flavors, (1, 2, 5, 16)):
        worker = Flavor(name=f"{cores}-{ram}", vcpus=cores, ram_mib=ram * GIB)
        found = sizes(worker, workers, gateway=worker)
        container = found.executor_memory_mib + found.executor_overhead_mib
        granted = -(-container // found.container_min_mib) * found.container_min_mib
        assert found.executor_memory_mib >= 450
        assert found.executor_overhead_mib >= 384
        assert granted <= found.container_max_mib < worker.ram_mib
        assert found.am_memory_mib + found.am_overhead_mib <= found.container_max_mib
        assert found.executor_cores <= found.node_vcores <= worker.vcpus
        # the application master's place is left
        master = found.am_memory_mib + found.am_overhead_mib
        assert found.max_executors * granted + master <= workers * found.container_max_mib
        assert found.max_executors * found.executor_cores <= workers * found.node_vcores
        assert found.driver_max_result_mib < found.driver_memory_mib < worker.ram_mib


def test_no_core_and_little_memory_are_left_over() -> None:
    for worker in (TINY, SMALL, MEDIUM, Flavor(name="large", vcpus=27, ram_mib=90112)):
        found = sizes(worker, 4)
        assert found.node_vcores - found.executors_per_node * found.executor_cores <= 2
        executor = found.executor_memory_mib + found.executor_overhead_mib
        assert found.container_max_mib - found.executors_per_node * executor < 2 * GIB


@pytest.mark.parametrize("key", list(Sizing.model_fields))
def test_each_size_may_be_set_by_hand(key: str) -> None:
    computed = getattr(sizes(MEDIUM, 4), key)
    assert getattr(sizes(MEDIUM, 4, **{key: max(computed - 1, 1)}), key) == max(computed - 1, 1)


def test_the_demos_overrides_fit() -> None:
    found = sizes(
        TINY, 2, gateway=TINY, driver_memory_mib=768, executor_memory_mib=768, executor_cores=1, max_executors=2,
    )  # fmt: skip
    assert found.executors_per_node == 2


def test_all_contradictions_are_told_at_once_with_key_and_range() -> None:
    with pytest.raises(SizingError) as wrong:
        sizes(MEDIUM, 4, executor_memory_mib=50000, node_vcores=15, driver_memory_mib=99999)
    said = str(wrong.value)
    assert "sizing.executor_memory_mib is 50000, must be from 450 to 41984" in said
    assert "sizing.node_vcores is 15, must be from 1 to 14" in said
    assert "sizing.driver_memory_mib is 99999, must be from 450 to " in said
    assert len(said.splitlines()) == 3


def test_more_executors_than_fit_beside_the_application_master_are_refused() -> None:
    with pytest.raises(SizingError, match=r"max_executors is 12, must be from 1 to 11"):
        sizes(MEDIUM, 4, max_executors=12)


def test_a_small_application_master_may_stand_beside_a_full_set_of_executors() -> None:
    assert sizes(MEDIUM, 4, executor_memory_mib=12 * GIB).max_executors == 12


def test_an_application_master_that_leaves_no_room_for_an_executor_is_refused() -> None:
    with pytest.raises(SizingError, match="max_executors is 1, but no value fits"):
        sizes(Flavor(name="one", vcpus=1, ram_mib=4096), 1)


def test_a_worker_too_small_for_any_executor_is_refused() -> None:
    with pytest.raises(SizingError, match="container_max_mib"):
        sizes(Flavor(name="nano", vcpus=1, ram_mib=1024), 4)
