"""Makes the demo's catalogue: `python -m jobs.catalogue [--rows N] [--seed N] DIRECTORY`.

It writes DIRECTORY/gaia_source: Parquet files with Gaia DR3's column names and types, one directory for each HEALPix
pixel, and beside them `_README` and the checksums `_SHA256SUMS`. The rows are synthetic, the same for the same seed,
and say so wherever they can be looked at. The directory appears only when it is whole; one of the same rows that
is there is left alone.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import healpy
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from jobs import galaxy, healpix
from jobs.schema import COLUMNS, SCHEMA

TABLE = "gaia_source"
PARTITION_LEVEL = 1  # 48 directories
BATCH = 1_000_000  # candidates drawn at once, of which two fifths are bright enough
REFERENCE_EPOCH = 2016.0
SOLUTION = 1636148068921376768  # Gaia DR3's solution_id of gaia_source
# magnitudes of a flux of 1 e-/s, Vega system (Gaia DR3 documentation, section 5.4.1)
ZERO_POINT_G = 25.6873668671
RV_FAINTEST = 14.0  # G beyond which DR3 has few radial velocities
# Digits after the point that the column's noise leaves meaningful: what compresses. The others are kept as they are.
DIGITS = {
    name: 4 for name in COLUMNS if name.endswith(("_error", "_mag", "_gspphot")) or name in ("bp_rp", "bp_g", "g_rp")
}
DIGITS |= {"teff_gspphot": 0, "distance_gspphot": 1, "ruwe": 3, "astrometric_excess_noise": 3, "radial_velocity": 2}
DIGITS |= {"parallax_over_error": 2, "phot_g_mean_flux_over_error": 1, "phot_bp_rp_excess_factor": 3}
README = """\
SYNTHETIC DATA. These are not Gaia's stars.

{rows} rows drawn from a simple model of the Milky Way (thin disc, bulge, halo) with seed {seed}, in the column names
and types of Gaia DR3's table gaia_source. They are for trying the platform out; no science can come of them.

One directory for each nested HEALPix pixel of level {level}: healpix_{level}=source_id / {factor}.
Checksums: _SHA256SUMS
"""

Columns = dict[str, npt.NDArray[Any]]


class CatalogueError(Exception):
    """The catalogue cannot be made; the text says what to do."""


def _noise(rng: np.random.Generator, magnitude: galaxy.Floats) -> galaxy.Floats:
    """Standard error of the parallax in mas: the pre-launch prediction, scaled to DR3's 34 months."""
    z = 10 ** (0.4 * (np.maximum(magnitude, 13.0) - 15.0))
    predicted = np.sqrt(40.0 + 800.0 * z + 30.0 * z**2) / 1000.0
    return np.asarray(predicted * rng.lognormal(0.0, 0.12, len(magnitude)))


def astrometry(rng: np.random.Generator, stars: galaxy.Stars, magnitude: galaxy.Floats) -> Columns:
    """Positions, parallaxes, proper motions and radial velocities, with their errors."""
    count = len(magnitude)
    place, velocity = galaxy.equatorial(stars.position), galaxy.equatorial(stars.velocity)
    distance = np.linalg.norm(place, axis=1)
    ra, dec = galaxy.spherical(place)
    longitude, latitude = galaxy.spherical(stars.position)
    ecl_lon, ecl_lat = galaxy.spherical(galaxy.ecliptic(place))
    alpha, delta = np.radians(ra), np.radians(dec)
    east = np.column_stack([-np.sin(alpha), np.cos(alpha), np.zeros(count)])
    north = np.column_stack([-np.sin(delta) * np.cos(alpha), -np.sin(delta) * np.sin(alpha), np.cos(delta)])
    scale = galaxy.KAPPA * np.maximum(distance, 1e-4)
    error = _noise(rng, magnitude)
    pmra = np.einsum("ij,ij->i", velocity, east) / scale + rng.normal(0, 1.03 * error)
    pmdec = np.einsum("ij,ij->i", velocity, north) / scale + rng.normal(0, 0.9 * error)
    parallax = 1.0 / np.maximum(distance, 1e-4) + rng.normal(0, error)
    radial = np.einsum("ij,ij->i", velocity, place) / np.maximum(distance, 1e-4)
    rv_error = 0.2 + 10 ** (0.35 * (magnitude - 12.5))
    faint = (magnitude > RV_FAINTEST) | (rng.random(count) < 0.2)
    return {
        **{"ra": ra, "dec": dec, "l": longitude, "b": latitude, "ecl_lon": ecl_lon, "ecl_lat": ecl_lat},
        **{"ra_error": 0.8 * error, "dec_error": 0.75 * error, "parallax_error": error},
        **{"parallax": parallax, "parallax_over_error": parallax / error},
        **{"pmra": pmra, "pmdec": pmdec, "pm": np.hypot(pmra, pmdec)},
        **{"pmra_error": 1.03 * error, "pmdec_error": 0.9 * error},
        "radial_velocity": np.where(faint, np.nan, radial + rng.normal(0, rv_error)),
        "radial_velocity_error": np.where(faint, np.nan, rv_error),
        "distance_gspphot": np.where(magnitude < 19, 1000 * distance * rng.lognormal(0, 0.05, count), np.nan),
    }


def photometry(rng: np.random.Generator, stars: galaxy.Stars, magnitude: galaxy.Floats) -> Columns:
    """Magnitudes, colours and the parameters that DR3 derives from the BP/RP spectra."""
    count, dust = len(magnitude), galaxy.extinction(stars.position)
    colour = stars.colour + 0.5 * dust  # E(BP-RP) is about half of A_G
    blue, red = 0.38 * colour, 0.62 * colour
    known = magnitude < 19
    flux = 10 ** (0.4 * (ZERO_POINT_G - magnitude))
    return {
        **{"phot_g_mean_mag": magnitude, "phot_bp_mean_mag": magnitude + blue, "phot_rp_mean_mag": magnitude - red},
        **{"bp_rp": colour, "bp_g": blue, "g_rp": red},
        **{"phot_g_mean_flux": flux, "phot_g_mean_flux_over_error": np.minimum(np.sqrt(flux) * 10, 5000)},
        "phot_bp_rp_excess_factor": 1.15 + 0.04 * colour**2 + rng.normal(0, 0.02, count),
        "phot_g_n_obs": rng.integers(80, 600, count),
        "teff_gspphot": np.where(known, stars.temperature + rng.normal(0, 80, count), np.nan),
        "logg_gspphot": np.where(known, stars.gravity + rng.normal(0, 0.1, count), np.nan),
        "mh_gspphot": np.where(known, rng.normal(-0.3, 0.3, count), np.nan),
        "azero_gspphot": np.where(known, dust / 0.84, np.nan),
        "ag_gspphot": np.where(known, dust, np.nan),
    }


def quality(rng: np.random.Generator, count: int) -> Columns:
    """What describes the measurement rather than the star."""
    return {
        "solution_id": np.full(count, SOLUTION),
        "ref_epoch": np.full(count, REFERENCE_EPOCH),
        "ruwe": rng.lognormal(0.02, 0.08, count) + np.where(rng.random(count) < 0.08, rng.gamma(1.5, 1.0, count), 0.0),
        "astrometric_excess_noise": rng.gamma(0.6, 0.3, count),
        "astrometric_params_solved": np.where(rng.random(count) < 0.8, 31, 95),
        "astrometric_n_good_obs_al": rng.integers(80, 600, count),
        "visibility_periods_used": rng.integers(8, 35, count),
        "duplicated_source": rng.random(count) < 0.01,
    }


def batch(rng: np.random.Generator, candidates: int) -> Columns:
    """The stars among so many candidates that Gaia could see, without their numbers."""
    stars, magnitude = galaxy.select(rng, galaxy.stars(rng, candidates))
    return astrometry(rng, stars, magnitude) | photometry(rng, stars, magnitude) | quality(rng, len(magnitude))


def numbered(columns: Columns, rng: np.random.Generator) -> Columns:
    """The columns in the order of source_id, with source_id and random_index."""
    count = len(columns["ra"])
    pixel = healpy.ang2pix(
        healpix.nside(healpix.SOURCE_ID_LEVEL), columns["ra"], columns["dec"], nest=True, lonlat=True
    ).astype(np.int64)
    order = np.argsort(pixel, kind="stable")
    # running numbers, 128 apart as Gaia's are: below 2**35 for many more rows than these, so that they are unique
    columns = {name: values[order] for name, values in columns.items()}
    columns["source_id"] = pixel[order] * healpix.LEVEL_12_FACTOR + (np.arange(count) + 1) * 128
    columns["random_index"] = rng.permutation(count)
    return columns


def table(columns: Columns, rows: slice) -> pa.Table:
    """Some rows as a table of the catalogue's schema; NaN becomes null."""
    arrays = []
    for name, kind in COLUMNS.items():
        values = columns[name][rows]
        values = values.round(DIGITS[name]) if name in DIGITS else values
        arrays.append(pa.array(values.astype(kind.to_pandas_dtype()), kind, from_pandas=True))
    return pa.Table.from_arrays(arrays, schema=SCHEMA)


def write(columns: Columns, directory: Path) -> dict[str, str]:
    """One Parquet file for each pixel. Returns the SHA-256 of each by its path below the directory."""
    partition = columns["source_id"] // healpix.factor(PARTITION_LEVEL)
    edges = np.searchsorted(partition, np.arange(healpix.pixels(PARTITION_LEVEL) + 1))
    checksums = {}
    for pixel, (first, last) in enumerate(pairwise(edges)):
        path = f"healpix_{PARTITION_LEVEL}={pixel}/part-0.parquet"
        target = directory / path
        target.parent.mkdir()
        pq.write_table(
            table(columns, slice(first, last)), target, compression="zstd", compression_level=1, row_group_size=250_000
        )
        checksums[path] = hashlib.sha256(target.read_bytes()).hexdigest()
    return checksums


def make(directory: Path, rows: int, seed: int) -> str:
    """Make the catalogue below `directory`; a line that says what was made. Raises CatalogueError."""
    target = directory / TABLE
    factor = healpix.factor(PARTITION_LEVEL)
    readme = README.format(rows=rows, seed=seed, level=PARTITION_LEVEL, factor=factor)
    if target.exists():
        if (target / "_README").read_text() == readme:
            return f"{rows} synthetic rows are there already, left alone: {target}"
        raise CatalogueError(f"{target} is there already: remove it first, or choose another directory")
    if not directory.is_dir():
        raise CatalogueError(f"{directory} is not a directory: make it, or mount the share there, first")
    rng, begun, batches, found = np.random.default_rng(seed), time.monotonic(), [], 0
    while found < rows:
        batches.append(batch(rng, min(BATCH, 5 * rows)))
        found += len(batches[-1]["ra"])
        say(f"{min(found, rows)} of {rows} rows")
    columns = {name: np.concatenate([part[name] for part in batches])[:rows] for name in batches[0]}
    batches.clear()
    part = directory / f".{TABLE}.part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    say("writing")
    checksums = write(numbered(columns, rng), part)
    (part / "_SHA256SUMS").write_text("".join(f"{digest}  {path}\n" for path, digest in checksums.items()))
    (part / "_README").write_text(readme)
    _to_disk(part)
    part.rename(target)
    size = sum(path.stat().st_size for path in target.rglob("*.parquet"))
    return (
        f"{rows} synthetic rows, {len(checksums)} files, {size >> 20} MiB in {time.monotonic() - begun:.0f} s: {target}"
    )


def _to_disk(directory: Path) -> None:
    """Until everything has been written, also where the file system keeps it in memory first (CephFS)."""
    for path in directory.rglob("*"):
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def say(text: str) -> None:
    """A line of progress."""
    print(f"catalogue: {text}", file=sys.stderr, flush=True)


def main() -> int:
    """The command; its exit status."""
    parser = argparse.ArgumentParser(prog="python -m jobs.catalogue", description="Make a synthetic catalogue.")
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--seed", type=int, default=20220613, help="default: the day of Gaia DR3")
    parser.add_argument("directory", type=Path)
    given = parser.parse_args()
    try:
        print(make(given.directory, given.rows, given.seed))
    except (CatalogueError, OSError) as problem:
        print(f"catalogue: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
