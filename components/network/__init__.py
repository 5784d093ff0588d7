"""The tenant network, the CephFS router and the security groups."""
