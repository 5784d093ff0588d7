"""The jobs' pure parts: HEALPix arithmetic, the synthetic galaxy, the catalogue's schema and labels."""

from __future__ import annotations

import hashlib
from pathlib import Path

import healpy
import numpy as np
import pyarrow.parquet as pq
import pytest

from jobs import catalogue, galaxy, healpix, sky
from jobs.schema import COLUMNS


def test_a_source_id_begins_with_its_healpix_index_of_level_twelve() -> None:
    assert healpix.factor(12) == 34359738368
    # Gaia DR3 4472832130942575872 is Barnard's star: 269.45, +4.74 (J2016)
    index = 4472832130942575872 // healpix.factor(12)
    assert healpy.pix2ang(healpix.nside(12), index, nest=True, lonlat=True) == pytest.approx((269.45, 4.74), abs=0.05)


@pytest.mark.parametrize("level", range(13))
def test_a_coarser_level_is_the_index_without_its_last_bit_pairs(level: int) -> None:
    source_id = 4472832130942575872
    assert source_id // healpix.factor(level) == (source_id // healpix.factor(12)) >> 2 * (12 - level)
    assert healpix.pixels(level) == healpy.nside2npix(healpix.nside(level))
    assert sky.factor(level) == healpix.factor(level)


@pytest.mark.parametrize("level", [-1, 13])
def test_a_level_that_no_source_id_carries_is_refused(level: int) -> None:
    for module in (healpix, sky):
        with pytest.raises(ValueError, match="from 0 to 12"):
            module.factor(level)


def test_the_galactic_centre_and_pole_are_where_they_should_be() -> None:
    centre = galaxy.spherical(galaxy.equatorial(np.array([[1.0, 0.0, 0.0]])))
    pole = galaxy.spherical(galaxy.equatorial(np.array([[0.0, 0.0, 1.0]])))
    assert [float(angle[0]) for angle in centre] == pytest.approx([266.405, -28.936], abs=0.001)
    assert [float(angle[0]) for angle in pole] == pytest.approx([192.859, 27.128], abs=0.001)


def test_the_ecliptics_pole_is_where_it_should_be() -> None:
    equatorial = np.array([[0.0, -np.sin(galaxy.OBLIQUITY), np.cos(galaxy.OBLIQUITY)]])
    assert float(galaxy.spherical(galaxy.ecliptic(equatorial))[1][0]) == pytest.approx(90.0, abs=1e-6)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("share")
    catalogue.make(directory, 20000, 1)
    return directory


def test_the_catalogue_has_gaias_columns_and_types_in_healpix_partitions(made: Path) -> None:
    files = sorted(made.glob("gaia_source/healpix_1=*/*.parquet"))
    assert len(files) == 48
    for file in files:
        table = pq.ParquetFile(file).read()
        assert {field.name: field.type for field in table.schema} == COLUMNS
        pixels = np.array(table["source_id"]) // healpix.factor(1)
        assert set(pixels) <= {int(file.parent.name.split("=")[1])}
    assert sum(pq.read_metadata(file).num_rows for file in files) == 20000


def test_positions_and_source_ids_agree_and_no_star_comes_twice(made: Path) -> None:
    table = pq.read_table(made / "gaia_source", columns=["source_id", "ra", "dec", "l", "b"], partitioning=None)
    ids = np.array(table["source_id"])
    assert len(set(ids)) == len(ids)
    found = healpy.ang2pix(4096, np.array(table["ra"]), np.array(table["dec"]), nest=True, lonlat=True)
    assert (ids // healpix.factor(12) == found).all()
    assert np.abs(np.array(table["b"])).mean() < 15, "most stars lie near the plane"


def test_the_catalogue_says_everywhere_that_it_is_synthetic(made: Path) -> None:
    assert "SYNTHETIC DATA" in (made / "gaia_source/_README").read_text()
    for file in made.rglob("*.parquet"):
        assert pq.read_schema(file).metadata[b"synthetic"] == b"true"
    assert sky.is_synthetic(made)


def test_the_checksums_are_those_of_the_files(made: Path) -> None:
    lines = (made / "gaia_source/_SHA256SUMS").read_text().splitlines()
    assert len(lines) == 48
    for line in lines:
        digest, path = line.split("  ")
        assert hashlib.sha256((made / "gaia_source" / path).read_bytes()).hexdigest() == digest


def test_the_same_seed_gives_the_same_bytes_and_another_other_ones(made: Path, tmp_path: Path) -> None:
    sums = {}
    for seed in (1, 2):
        (tmp_path / str(seed)).mkdir()
        catalogue.make(tmp_path / str(seed), 20000, seed)
        sums[seed] = (tmp_path / str(seed) / "gaia_source/_SHA256SUMS").read_text()
    assert sums[1] == (made / "gaia_source/_SHA256SUMS").read_text()
    assert sums[2] != sums[1]


def test_a_catalogue_of_the_same_rows_is_left_alone_and_of_other_ones_an_error(made: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in made.rglob("*")}
    assert "are there already" in catalogue.make(made, 20000, 1)
    with pytest.raises(catalogue.CatalogueError, match="is there already"):
        catalogue.make(made, 10, 1)
    assert {path: path.stat().st_mtime_ns for path in made.rglob("*")} == before


def test_a_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(catalogue.CatalogueError, match="is not a directory"):
        catalogue.make(tmp_path / "nowhere", 10, 1)


def test_the_job_says_when_a_directory_holds_no_catalogue(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="is the share mounted, and filled"):
        sky.is_synthetic(tmp_path)
