"""Where services are installed: a cluster, reached as somebody, for a deployment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import pulumi
import pulumi_kubernetes as kubernetes

OWNER = "app.kubernetes.io/part-of"  # of a namespace: the deployment


@dataclass(frozen=True, kw_only=True)
class Destination:
    """`provider`, `kubeconfig`: the cluster; `cluster`: the same as a resource, where it is the deployment's own.

    `deployment`, `project_id`: whose services they are; their shares are in that project.
    """

    provider: kubernetes.Provider
    kubeconfig: pulumi.Input[str]
    cluster: pulumi.Resource | None = None
    deployment: str
    project_id: str

    def inside(self, parent: pulumi.Resource, *, waits_for_pods: bool = False) -> pulumi.ResourceOptions:
        """The options of what is in the cluster.

        Of the deployment's own cluster it is gone with that when it is destroyed, without being deleted one by one, and
        made anew in a cluster that takes its place. Then what is in the old one is deleted in any order
        (`replace_with`): what Kubernetes lets go only after pods, and pods after the driver that they mount by, would
        be waited for in vain. It goes with the cluster or stays.
        """
        if self.cluster is None:
            return pulumi.ResourceOptions(parent=parent, provider=self.provider)
        return pulumi.ResourceOptions(
            parent=parent,
            provider=self.provider,
            deleted_with=self.cluster,
            replace_with=[self.cluster],
            retain_on_delete=waits_for_pods,
        )

    def namespace(
        self,
        name: str,
        level: Literal["baseline", "restricted"],
        parent: pulumi.Resource,
        after: Sequence[pulumi.Resource] = (),
    ) -> kubernetes.core.v1.Namespace:
        """A namespace whose pods get no more than Pod Security's level lets them.

        It says whose it is: where another deployment's is there already, Kubernetes refuses to let it change hands.
        `after`: what outlives it, since what is in it cannot go without.
        """
        labels = {"pod-security.kubernetes.io/enforce": level, OWNER: self.deployment}
        options = self.inside(parent, waits_for_pods=True)
        return kubernetes.core.v1.Namespace(
            name,
            metadata={"name": name, "labels": labels},
            opts=pulumi.ResourceOptions.merge(
                options, pulumi.ResourceOptions(depends_on=[*after], hooks=told(name, self.deployment))
            ),
        )


def told(namespace: str, deployment: str) -> pulumi.ResourceHookBinding:
    """The hook of a namespace: where it is another deployment's, the program says what that means."""

    def tell(failed: pulumi.ErrorHookArgs) -> bool:
        if any(OWNER in error for error in failed.errors):
            pulumi.log.error(
                f"the namespace {namespace} is there already, and not of {deployment}: its label {OWNER} says whose it "
                "is. A service is in one stack only: take it out of that stack's config or out of this one's"
            )
        return False  # no second try

    return pulumi.ResourceHookBinding(on_error=[pulumi.ErrorHook(f"namespace-{namespace}", tell)])


def provider(name: str, kubeconfig: pulumi.Input[str], opts: pulumi.ResourceOptions) -> kubernetes.Provider:
    """The provider of what is in a cluster; `name`: of the deployment."""
    return kubernetes.Provider(
        name,
        kubeconfig=kubeconfig,
        # The same for every cluster of the deployment: the engine cannot delete by a provider that is itself to be
        # replaced (pulumi/pulumi#14650). What is in a cluster is replaced with it (`Destination.inside`).
        cluster_identifier=name,
        # what a killed `up` has made already is taken over by the next
        upsert_existing_objects=True,
        opts=opts,
    )
