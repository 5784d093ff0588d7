"""An OpenStack cloud on one machine: the ground of this project's tests and of its demo, no part of production."""
