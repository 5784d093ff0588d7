"""How Gaia's source_id carries a HEALPix index. Pure integer arithmetic.

Bits 36 to 63 of a source_id are the nested HEALPix index of level 12 of its position (Gaia DR3 documentation,
gaia_source.source_id): `source_id // 34359738368`. Every coarser level is that index without its last bit pairs.
"""

from __future__ import annotations

LEVEL_12_FACTOR = 34359738368  # 2**35
SOURCE_ID_LEVEL = 12


def factor(level: int) -> int:
    """What to divide a source_id by (integer division) for its nested HEALPix index of this level, 0 to 12.

    Raises ValueError for any other level: a source_id carries no more.
    """
    if not 0 <= level <= SOURCE_ID_LEVEL:
        raise ValueError(f"the HEALPix level must be from 0 to {SOURCE_ID_LEVEL}, is {level}")
    return int(LEVEL_12_FACTOR * 4 ** (SOURCE_ID_LEVEL - level))


def pixels(level: int) -> int:
    """How many pixels the sphere has at this level."""
    return int(12 * 4**level)


def nside(level: int) -> int:
    """HEALPix's Nside of this level."""
    return int(2**level)
