"""A synthetic Milky Way in Gaia DR3's terms: positions, distances and magnitudes of stars nobody ever saw. Pure.

A thin disc, a bulge and a halo in galactic coordinates, with a main sequence, giants and white dwarfs, and errors
that grow with magnitude roughly as Gaia's do. Good for maps and diagrams that look right; no good for science.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

# kpc: the Sun's distance from the centre, the disc's scale length and height, the bulge's size, the halo's core
SUN, LENGTH, HEIGHT, BULGE, HALO = 8.2, 2.6, 0.3, 0.7, 4.0
SHARES = {"disc": 0.78, "bulge": 0.17, "halo": 0.05}
# km/s for a proper motion of 1 mas/yr at 1 kpc
KAPPA = 4.74047
ROTATION = 230.0  # km/s of the disc
FAINTEST = 20.7  # Gaia's limit in G
# Rows and columns of the transformation from equatorial (ICRS) to galactic Cartesian axes, from the Gaia DR3
# documentation, section 4.1.7 (the matrix A'_G).
TO_GALACTIC = np.array(
    [
        [-0.0548755604162154, -0.8734370902348850, -0.4838350155487132],
        [+0.4941094278755837, -0.4448296299600112, +0.7469822444972189],
        [-0.8676661490190047, -0.1980763734312015, +0.4559837761750669],
    ]
)
OBLIQUITY = np.radians(84381.41100 / 3600)  # of the ecliptic at J2000, same section


@dataclass(frozen=True)
class Stars:
    """The true properties of stars: heliocentric galactic x, y, z in kpc, velocities in km/s, photometry in mag."""

    position: Floats
    velocity: Floats
    absolute_g: Floats
    colour: Floats  # BP - RP
    temperature: Floats  # K
    gravity: Floats  # log10 of cm/s^2


def positions(rng: np.random.Generator, count: int) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Galactocentric positions of `count` stars in kpc, and which of them belong to the disc."""
    numbers = rng.multinomial(count, list(SHARES.values()))
    disc, bulge, halo = (int(number) for number in numbers)
    radius, angle = rng.gamma(2.0, LENGTH, disc), rng.uniform(0, 2 * np.pi, disc)
    height = rng.laplace(0.0, HEIGHT, disc) * (1 + radius / 25)
    in_disc = np.column_stack([radius * np.cos(angle), radius * np.sin(angle), height])
    # a bar of 1.6 : 0.8 : 0.6, turned by 25 degrees
    bar = rng.normal(0.0, BULGE, (bulge, 3)) * (1.6, 0.8, 0.6)
    turn = np.radians(25)
    bar = bar @ np.array([[np.cos(turn), np.sin(turn), 0], [-np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
    direction = rng.normal(size=(halo, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    round_halo = direction * (HALO * rng.pareto(1.5, (halo, 1))).clip(0, 60)
    is_disc = np.zeros(count, dtype=bool)
    is_disc[:disc] = True
    return np.concatenate([in_disc, bar, round_halo]), is_disc


def photometry(rng: np.random.Generator, count: int) -> tuple[Floats, Floats, Floats, Floats]:
    """Absolute G, BP-RP, temperature and surface gravity of a mixed population."""
    kind = rng.choice(3, size=count, p=[0.72, 0.26, 0.02])
    main, giant = kind == 0, kind == 1
    # main sequence: a straight relation with its bend near M_G = 4; more faint stars than bright ones
    absolute = 10.5 - rng.gamma(3.0, 1.7, count)
    absolute = np.where(main, np.maximum(absolute, -1.0), absolute)
    colour = np.interp(absolute, [-1, 1, 3, 4.5, 6, 8, 10.5], [-0.25, 0.05, 0.45, 0.75, 1.05, 1.75, 2.5])
    # giants: the branch, with a third of them in the red clump
    branch = rng.uniform(-2.5, 3.2, count)
    clump = giant & (rng.random(count) < 0.35)
    absolute = np.where(giant, np.where(clump, rng.normal(0.5, 0.15, count), branch), absolute)
    on_branch = np.where(clump, 1.2, 1.05 + 0.02 * np.clip(3.2 - absolute, 0.0, None) ** 2.2)
    colour = np.where(giant, on_branch, colour)
    white = rng.uniform(10.0, 15.0, count)
    absolute = np.where(kind == 2, white, absolute)
    colour = np.where(kind == 2, np.interp(white, [10, 12, 15], [-0.4, 0.1, 1.2]), colour)
    colour += rng.normal(0.0, 0.05, count)
    temperature = np.interp(colour, [-0.4, 0.0, 0.5, 0.82, 1.2, 2.0, 3.0], [22000, 9700, 7000, 5770, 4800, 3700, 3000])
    gravity = np.where(kind == 2, 8.0, np.where(giant, 1.2 + 0.5 * (absolute + 2.5), 4.4 + 0.03 * (absolute - 4.7)))
    return absolute, colour, temperature, gravity


def stars(rng: np.random.Generator, count: int) -> Stars:
    """`count` stars of the whole galaxy, as seen from the Sun."""
    place, is_disc = positions(rng, count)
    absolute, colour, temperature, gravity = photometry(rng, count)
    # the disc turns, everything else does not; the Sun turns with it
    angle = np.arctan2(place[:, 1], place[:, 0])
    speed = np.where(is_disc, ROTATION * np.minimum(1.0, np.hypot(place[:, 0], place[:, 1]) / 2.0), 0.0)
    spread = np.where(is_disc, 30.0, 110.0)[:, None]
    turning = np.column_stack([speed * np.sin(angle), -speed * np.cos(angle), np.zeros(count)])
    velocity = turning + rng.normal(size=(count, 3)) * spread
    # galactocentric axes with the Sun at (-SUN, 0, 0), seen from there: x to the centre, y along the rotation
    velocity[:, 1] -= ROTATION
    return Stars(place + np.array([SUN, 0, 0.02]), velocity, absolute, colour, temperature, gravity)


def extinction(position: Floats) -> Floats:
    """A_G in mag: dust in a thin sheet, so that the galactic plane is dark in places."""
    distance = np.linalg.norm(position, axis=1)
    sine = np.abs(position[:, 2]) / np.maximum(distance, 1e-6)
    path = np.minimum(distance, 0.12 / np.maximum(sine, 1e-3))
    return np.asarray(0.55 * path)


def select(rng: np.random.Generator, made: Stars) -> tuple[Stars, Floats]:
    """The stars that are bright enough for Gaia, and their apparent G."""
    distance = np.linalg.norm(made.position, axis=1)
    apparent = made.absolute_g + 5 * np.log10(np.maximum(distance, 1e-3) * 100) + extinction(made.position)
    apparent += rng.normal(0.0, 0.01, len(apparent))
    seen = (apparent < FAINTEST) & (apparent > 2.0)
    kept = Stars(*(getattr(made, name)[seen] for name in made.__dataclass_fields__))
    return kept, apparent[seen]


def spherical(vectors: Floats) -> tuple[Floats, Floats]:
    """Longitude (0 to 360) and latitude in degrees of Cartesian vectors."""
    longitude = np.degrees(np.arctan2(vectors[:, 1], vectors[:, 0])) % 360.0
    latitude = np.degrees(np.arctan2(vectors[:, 2], np.hypot(vectors[:, 0], vectors[:, 1])))
    return longitude, latitude


def equatorial(galactic: Floats) -> Floats:
    """Galactic Cartesian vectors in equatorial (ICRS) axes."""
    return np.asarray(galactic @ TO_GALACTIC)


def ecliptic(icrs: Floats) -> Floats:
    """Equatorial Cartesian vectors in ecliptic axes."""
    cosine, sine = np.cos(OBLIQUITY), np.sin(OBLIQUITY)
    return np.asarray(icrs @ np.array([[1, 0, 0], [0, cosine, -sine], [0, sine, cosine]]))
