"""The program: read the stack's settings, build its platform, export what people hold on to."""

from __future__ import annotations

import pulumi
from pulumi.runtime.config import CONFIG

from components import settings
from components.data import DataPlatform
from components.hadoop.platform import HadoopYarn


def main() -> None:
    """Build the stack's platform. Wrong settings end it with one message that lists them all."""
    stack = pulumi.get_stack()
    try:
        chosen = settings.parse(CONFIG.get(), stack)
        platform = DataPlatform(stack, chosen) if isinstance(chosen, settings.Data) else HadoopYarn(stack, chosen)
    except settings.SettingsError as wrong:
        raise pulumi.RunError(f"the stack's settings cannot work:\n{wrong}") from None
    for name, value in platform.exports.items():
        pulumi.export(name, value)


main()
