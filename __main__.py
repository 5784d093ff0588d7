"""The program: read the stack's settings, build its platform, export what people hold on to."""

from __future__ import annotations

from pathlib import Path

import pulumi
from pulumi.runtime.config import CONFIG, is_config_secret

from components import platforms
from components.settings import SettingsError, libraries


def main() -> None:
    """Build the stack's platform. Wrong settings end it with one message that lists them all."""
    config, stack = CONFIG.get(), pulumi.get_stack()
    clear = {key for key in config if not is_config_secret(key)}
    try:
        lock = libraries.read(Path(pulumi.get_root_directory()), stack)  # beside the stack's file
        platform = platforms.build(stack, config, clear, lock)
    except SettingsError as wrong:
        raise pulumi.RunError(f"the stack's settings cannot work:\n{wrong}") from None
    for name, value in platform.exports.items():
        pulumi.export(name, value)


main()
