"""The one registry of platforms: what `gaia:platform` may be, its settings, the component that builds it."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import BaseModel

from components import settings
from components.data import DataPlatform
from components.hadoop.platform import HadoopYarn
from components.kubernetes.platform import KubernetesPlatform
from components.kubernetes.services import ServicesPlatform
from components.settings.data import Data
from components.settings.hadoop import Hadoop
from components.settings.kubernetes import Kubernetes
from components.settings.services import ServicesOfCluster


class Built(Protocol):
    """A platform that has been built: `exports` are its stack's outputs."""

    exports: dict[str, Any]


@dataclass(frozen=True)
class Platform:
    """A kind of stack."""

    settings: type[BaseModel]
    component: Callable[[str, Any], Built]


PLATFORMS: Mapping[str, Platform] = {
    "hadoop-yarn": Platform(Hadoop, HadoopYarn),
    "kubernetes": Platform(Kubernetes, KubernetesPlatform),
    "services": Platform(ServicesOfCluster, ServicesPlatform),
    "data": Platform(Data, DataPlatform),
}


def build(stack: str, config: Mapping[str, str], clear: Container[str] = (), lock: str | None = None) -> Built:
    """Build a stack's platform by its config, of which the keys in `clear` are not encrypted, and its libraries' lock.

    Raises SettingsError with all that is wrong in it.
    """
    platform = PLATFORMS[settings.platform_of(config, stack, PLATFORMS)]
    return platform.component(stack, settings.parse(config, stack, platform.settings, clear, lock))
