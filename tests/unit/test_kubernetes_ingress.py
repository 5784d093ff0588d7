"""The way in for browsers on Kubernetes: the controller. (What comes of it: tests/kubernetes.)"""

from __future__ import annotations

from typing import Any

import pytest
from pulumi_kubernetes.core.v1.outputs import LoadBalancerIngress, LoadBalancerStatus, ServiceStatus

from components.kubernetes import ingress
from components.settings.sign_on import Ingress

GIVEN = Ingress.model_validate({"class": "public", "domain": "gaia-dev.example.org"})


def test_the_controller_is_told_its_class_and_asks_the_cloud_for_a_load_balancer() -> None:
    found = ingress.values(GIVEN)
    assert found["controller"]["ingressClass"]["name"] == "public"
    assert found["controller"]["service"]["type"] == "LoadBalancer"
    assert found["serviceNameOverride"] == ingress.NAME


@pytest.mark.parametrize(
    ("ways", "wanted"),
    [
        (None, ""),
        ((), ""),
        ((LoadBalancerIngress(ip="203.0.113.7"),), "203.0.113.7"),
        ((LoadBalancerIngress(hostname="lb.example.org"),), "lb.example.org"),
    ],
)
def test_the_address_is_the_load_balancers_once_it_has_one(ways: Any, wanted: str) -> None:
    assert ingress.address(ServiceStatus(load_balancer=LoadBalancerStatus(ingress=ways))) == wanted
    assert ingress.address(None) == ""
