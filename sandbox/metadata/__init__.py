"""The metadata service at 169.254.169.254: what Neutron's metadata agent does, for every router of the sandbox.

- `tables`: which server asks, read from Neutron's database
- `nova`: asks Nova's metadata API in its name
- `proxy`: answers a request by these two
- `daemon`: listens in the routers' namespaces, which come and go
"""
