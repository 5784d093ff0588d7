"""Magnum's clusters: servers that are Kubernetes nodes, made to agree with Magnum's tables.

Magnum's own periodic task asks the driver (`drivers/magnum.py`) about every cluster that is in progress, once a second.
Each time one step is taken from what is there towards what the tables say (`reconcile`), so it may be interrupted
anywhere. It keeps nothing: what belongs to a cluster says so in Nova and Neutron.

- `records`: what Magnum's tables say, and which nodes that means (pure)
- `certificates`, `user_data`: what a node is told at its first boot
- `stack`: the cluster's servers, ports, security groups and floating IP, in its project (Heat's part in Magnum)
- `kubernetes`: what the cluster's own API says about its nodes
"""
