"""The program: read the stack's settings, build its platform, export what people hold on to."""

from __future__ import annotations

import pulumi
from pulumi.runtime.config import CONFIG

from components import platforms
from components.settings import SettingsError


def main() -> None:
    """Build the stack's platform. Wrong settings end it with one message that lists them all."""
    try:
        platform = platforms.build(pulumi.get_stack(), CONFIG.get())
    except SettingsError as wrong:
        raise pulumi.RunError(f"the stack's settings cannot work:\n{wrong}") from None
    for name, value in platform.exports.items():
        pulumi.export(name, value)


main()
