"""The metadata service at 169.254.169.254: what Neutron's metadata agent does, for every router of the sandbox.

- `tables`: which server asks, read from Neutron's database
- `proxy`: asks Nova's metadata API in its name
- `daemon`: listens in the routers' namespaces, which come and go
"""
