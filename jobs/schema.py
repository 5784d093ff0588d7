"""The columns of the demo's catalogue: names and types of Gaia DR3's table `gaia_source` (its main subset)."""

from __future__ import annotations

import pyarrow as pa

_INT8, _INT16, _INT64 = pa.int8(), pa.int16(), pa.int64()
_FLOAT, _DOUBLE = pa.float32(), pa.float64()

COLUMNS: dict[str, pa.DataType] = {
    "solution_id": _INT64,
    "source_id": _INT64,
    "random_index": _INT64,
    "ref_epoch": _DOUBLE,
    "ra": _DOUBLE,
    "ra_error": _FLOAT,
    "dec": _DOUBLE,
    "dec_error": _FLOAT,
    "parallax": _DOUBLE,
    "parallax_error": _FLOAT,
    "parallax_over_error": _FLOAT,
    "pm": _FLOAT,
    "pmra": _DOUBLE,
    "pmra_error": _FLOAT,
    "pmdec": _DOUBLE,
    "pmdec_error": _FLOAT,
    "astrometric_n_good_obs_al": _INT16,
    "astrometric_excess_noise": _FLOAT,
    "astrometric_params_solved": _INT8,
    "visibility_periods_used": _INT16,
    "ruwe": _FLOAT,
    "duplicated_source": pa.bool_(),
    "phot_g_n_obs": _INT16,
    "phot_g_mean_flux": _DOUBLE,
    "phot_g_mean_flux_over_error": _FLOAT,
    "phot_g_mean_mag": _FLOAT,
    "phot_bp_mean_mag": _FLOAT,
    "phot_rp_mean_mag": _FLOAT,
    "phot_bp_rp_excess_factor": _FLOAT,
    "bp_rp": _FLOAT,
    "bp_g": _FLOAT,
    "g_rp": _FLOAT,
    "radial_velocity": _FLOAT,
    "radial_velocity_error": _FLOAT,
    "l": _DOUBLE,
    "b": _DOUBLE,
    "ecl_lon": _DOUBLE,
    "ecl_lat": _DOUBLE,
    "teff_gspphot": _FLOAT,
    "logg_gspphot": _FLOAT,
    "mh_gspphot": _FLOAT,
    "distance_gspphot": _FLOAT,
    "azero_gspphot": _FLOAT,
    "ag_gspphot": _FLOAT,
}
# what every reader can see: in each file's metadata
METADATA = {"synthetic": "true", "description": "synthetic stars with Gaia DR3's column names and types; not Gaia data"}
SCHEMA = pa.schema([pa.field(name, kind) for name, kind in COLUMNS.items()], metadata=METADATA)
