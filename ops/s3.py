"""How S3-compatible stores (Swift, Ceph RGW) are spoken to."""

from __future__ import annotations

from typing import Literal

import botocore.config


def s3_config(addressing: Literal["path", "auto"]) -> botocore.config.Config:
    """As Pulumi does: checksums only where the protocol needs them (stores know no newer ones), a few tries."""
    return botocore.config.Config(
        s3={"addressing_style": addressing},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        retries={"max_attempts": 4},
    )
