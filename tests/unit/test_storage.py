"""Shares: identities and export locations."""

from __future__ import annotations

import pytest

from components.storage.shares import Export, cephx_identity


def test_a_cephx_identity_names_deployment_share_and_mode_without_hyphens() -> None:
    identity = cephx_identity("gaia-test", "0123456789abcdef", "aglais-data-gaia-dr3-2048", "ro")
    assert identity == "gaia_test_01234567_aglais_data_gaia_dr3_2048_ro"


def test_deployments_of_one_name_in_two_projects_have_identities_of_their_own() -> None:
    assert len({cephx_identity("gaia-test", project, "dr3", "ro") for project in ("0" * 32, "1" * 32)}) == 2


def test_another_generation_is_another_identity_and_the_first_has_the_name_that_it_always_had() -> None:
    first, second = (cephx_identity("gaia-test", "0" * 32, "dr3", "ro", number) for number in (0, 1))
    assert first == cephx_identity("gaia-test", "0" * 32, "dr3", "ro")
    assert second == f"{first}_1"


def test_an_export_location_splits_into_monitors_and_path() -> None:
    export = Export.parse("10.4.200.9:6789,10.4.200.13:6789:/volumes/_nogroup/ab-12")
    assert export == Export("10.4.200.9:6789,10.4.200.13:6789", "/volumes/_nogroup/ab-12")


@pytest.mark.parametrize("location", ["", "10.0.0.1:/nfs/path", "10.0.0.1:6789", "host:6789,:/x"])
def test_a_location_that_is_not_cephfs_is_refused(location: str) -> None:
    with pytest.raises(ValueError, match="not a CephFS export location"):
        Export.parse(location)
