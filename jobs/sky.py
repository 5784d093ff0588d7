"""The operator's smoke test: `spark-submit sky.py [--catalogue DIRECTORY] [--png FILE] [--level N]`.

Counts the catalogue's stars by HEALPix pixel and by colour and magnitude, on Spark, and draws both into one picture.
It is one file, so that it can be copied to a gateway and submitted from there.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from pyspark.sql import DataFrame, SparkSession

# A source_id begins with the nested HEALPix index of level 12 (Gaia DR3 documentation, gaia_source.source_id).
LEVEL_12_FACTOR, SOURCE_ID_LEVEL = 34359738368, 12
COLOUR_BINS, MAGNITUDE_BINS = (-1.0, 4.0, 200), (-4.0, 16.0, 250)  # BP-RP and absolute G: from, to, number
# Distances good to 10 %, astrometry that fits a single star: what makes the diagram sharp.
GOOD = "parallax_over_error > 10 AND ruwe < 1.4 AND bp_rp IS NOT NULL"
SYNTHETIC = "Synthetic stars, not Gaia data"


def factor(level: int) -> int:
    """What to divide a source_id by for its nested HEALPix index of this level. Raises ValueError beyond 0 to 12."""
    if not 0 <= level <= SOURCE_ID_LEVEL:
        raise ValueError(f"the HEALPix level must be from 0 to {SOURCE_ID_LEVEL}, is {level}")
    return int(LEVEL_12_FACTOR * 4 ** (SOURCE_ID_LEVEL - level))


def is_synthetic(directory: Path) -> bool:
    """Whether the catalogue's files say that their rows are synthetic."""
    import pyarrow.parquet

    first = next(iter(sorted(directory.rglob("*.parquet"))), None)
    if first is None:
        raise FileNotFoundError(f"{directory} holds no Parquet file: is the share mounted, and filled?")
    return bool((pyarrow.parquet.read_schema(first).metadata or {}).get(b"synthetic") == b"true")


def density(stars: DataFrame, level: int) -> npt.NDArray[np.float64]:
    """Stars per square degree in each HEALPix pixel, in nested order."""
    import healpy
    import numpy

    pixel = f"CAST(source_id DIV {factor(level)} AS INT) AS pixel"
    counted = stars.selectExpr(pixel).groupBy("pixel").count().toPandas()
    sky = numpy.zeros(healpy.nside2npix(2**level))
    sky[counted["pixel"]] = counted["count"]
    sky /= healpy.nside2pixarea(2**level, degrees=True)
    return sky


def _bin(expression: str, bins: tuple[float, float, int], name: str) -> str:
    low, high, number = bins
    return f"CAST(floor(({expression} - {low}) / {(high - low) / number}) AS INT) AS {name}"


def diagram(stars: DataFrame) -> npt.NDArray[np.float64]:
    """Stars by colour (columns) and absolute magnitude (rows)."""
    import numpy

    absolute = "(phot_g_mean_mag + 5 * log10(parallax) - 10)"
    bins = [_bin("bp_rp", COLOUR_BINS, "x"), _bin(absolute, MAGNITUDE_BINS, "y")]
    inside = f"x >= 0 AND x < {COLOUR_BINS[2]} AND y >= 0 AND y < {MAGNITUDE_BINS[2]}"
    counted = stars.where(GOOD).selectExpr(*bins).where(inside).groupBy("x", "y").count().toPandas()
    image = numpy.zeros((MAGNITUDE_BINS[2], COLOUR_BINS[2]))
    image[counted["y"], counted["x"]] = counted["count"]
    return image


def draw(sky: Any, image: Any, title: str, png: Path) -> None:
    """Both maps in one picture."""
    import matplotlib

    matplotlib.use("Agg")
    import healpy
    import numpy
    from matplotlib import colors, pyplot

    figure = pyplot.figure(figsize=(16, 7), facecolor="white")
    shown = numpy.log10(numpy.where(sky > 0, sky, numpy.nan))
    # the catalogue's positions are equatorial; the map is galactic, so that the Milky Way lies across it
    healpy.mollview(
        shown, fig=figure.number, sub=(1, 2, 1), nest=True, coord=["C", "G"], cmap="inferno", badcolor="black",
        title="Stars per square degree (galactic)", unit="log10",
    )  # fmt: skip
    axes = figure.add_subplot(1, 2, 2)
    extent = (COLOUR_BINS[0], COLOUR_BINS[1], MAGNITUDE_BINS[1], MAGNITUDE_BINS[0])
    norm = colors.LogNorm(vmin=1, vmax=max(image.max(), 10))
    drawn = axes.imshow(
        numpy.where(image > 0, image, numpy.nan), extent=extent, aspect="auto", cmap="inferno", norm=norm
    )
    axes.set(xlabel="BP - RP", ylabel="absolute G", title="Colour and magnitude (parallax good to 10 %)")
    figure.colorbar(drawn, ax=axes, label="stars")
    figure.suptitle(title, fontsize=15)
    figure.savefig(png, dpi=100)


def main() -> int:
    """The job; its exit status."""
    parser = argparse.ArgumentParser(description="Sky density and colour-magnitude diagram of a catalogue.")
    parser.add_argument("--catalogue", type=Path, default=Path("/data/gaia/GDR3"), help="directory with gaia_source/")
    parser.add_argument("--png", type=Path, default=Path("sky.png"))
    parser.add_argument("--level", type=int, default=6, choices=range(SOURCE_ID_LEVEL), help="HEALPix level of the map")
    given = parser.parse_args()
    begun = time.monotonic()
    try:
        synthetic = is_synthetic(given.catalogue)
    except OSError as problem:
        print(f"sky: {problem}", file=sys.stderr)
        return 1
    from pyspark.sql import SparkSession

    spark: SparkSession = SparkSession.builder.appName("sky").getOrCreate()
    table = given.catalogue / "gaia_source"
    stars = spark.read.parquet(f"file://{table if table.is_dir() else given.catalogue}")
    sky, image = density(stars, given.level), diagram(stars)
    spark.stop()
    import healpy

    rows = round(sky.sum() * healpy.nside2pixarea(2**given.level, degrees=True))
    subject = SYNTHETIC if synthetic else "Gaia"
    draw(sky, image, f"{subject}: {rows:,} rows of {given.catalogue}", given.png)
    good = int(image.sum())
    print(f"{subject}: {rows} rows, {good} of them in the diagram, {time.monotonic() - begun:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
