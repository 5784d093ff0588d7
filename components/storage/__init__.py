"""Cinder volumes, Manila shares and cephx grants."""
