"""The data plane behind Neutron: bridges, routers and packet filters that follow Neutron's tables.

- `tables`: what Neutron wants, read from its database
- `desired`: from that, what the kernel should have (pure); `filter` and `nat` write its packet filters (pure)
- `kernel`: makes the kernel agree with it, whatever was there
- `daemon`: follows the database and the taps that come and go
"""
