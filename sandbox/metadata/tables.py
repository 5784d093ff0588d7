"""Which server has an address, in one of the networks of a router."""

import pymysql

from sandbox.layout import Layout
from sandbox.metadata.nova import Server

QUERY = """
SELECT p.device_id, p.project_id FROM ports p JOIN ipallocations a ON a.port_id = p.id
WHERE a.ip_address = %s AND p.device_owner LIKE 'compute:%%' AND p.network_id IN (
  SELECT network_id FROM ports WHERE device_owner = 'network:router_interface' AND device_id LIKE %s)
"""


def server_at(layout: Layout, router: str, address: str) -> Server | None:
    """The server that has the address behind the router whose id begins so; None if there is none."""
    with (
        pymysql.connect(unix_socket=str(layout.database_socket), user="root", database="neutron") as database,
        database.cursor() as cursor,
    ):
        cursor.execute(QUERY, (address, f"{router}%"))
        row = cursor.fetchone()
    return Server(*row) if row else None
