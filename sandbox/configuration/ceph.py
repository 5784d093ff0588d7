"""Ceph: one monitor, manager, OSD and metadata server with one copy of everything, tuned to start in seconds."""

import uuid
from pathlib import Path

from sandbox.configuration.common import Configuration, Ini, Options
from sandbox.layout import CEPH_MONITOR, CEPH_MONITOR_PORT, Layout

BLOCK_SIZE = "15T"  # of the OSD's sparse file: the capacity that Manila reports


def directories(layout: Layout) -> tuple[Path, ...]:
    ceph = layout.ceph
    return (ceph / "keys", ceph / "crash", *(ceph / "data" / name for name in ("mon", "mgr", "osd", "mds")))


def modules(layout: Layout) -> Path:
    """Where the manager finds its modules: only those that shares need."""
    return layout.ceph / "modules"


def cluster_id(layout: Layout) -> str:
    """The cluster's fsid: of this checkout for ever, so that it needs no file."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, layout.root.as_uri()))


def files(c: Configuration) -> dict[str, Ini]:
    data = c.layout.ceph / "data"
    return {
        "ceph/ceph.conf": {
            "global": _cluster(c.layout),
            "mon": {
                "mon_data": data / "mon",
                "keyring": c.layout.ceph / "keys/mon.keyring",
                "mon_allow_pool_delete": True,
                "mon_tick_interval": 1,
                "mon_compact_on_start": False,
                "mon_max_pg_per_osd": 1000,
                "mon_memory_target": "200M",
                "mon_memory_autotune": False,
                "rocksdb_cache_size": "16M",
            },
            "mgr": {
                "mgr_data": data / "mgr",
                "mgr_initial_modules": "",
                "mgr_module_path": modules(c.layout),
                "mgr_tick_period": 1,
                "mgr_stats_period": 1,
            },
            "osd": _osd(data / "osd"),
            "mds": {
                "mds_data": data / "mds",
                "mds_cache_memory_limit": "64M",
                "mds_beacon_interval": 1,
                "mds_tick_interval": 1,
                "mds_reconnect_timeout": 5,
            },
        }
    }


def _cluster(layout: Layout) -> Options:
    return {
        "fsid": cluster_id(layout),
        "mon_host": f"[v2:{CEPH_MONITOR}:3300,v1:{CEPH_MONITOR}:{CEPH_MONITOR_PORT}]",
        "public_addr": str(CEPH_MONITOR),
        "cluster_addr": str(CEPH_MONITOR),
        "auth_cluster_required": "cephx",
        "auth_service_required": "cephx",
        "auth_client_required": "cephx",
        "auth_allow_insecure_global_id_reclaim": False,
        "keyring": layout.ceph / "keys/$name.keyring",
        "log_file": layout.log / "ceph-$name.log",
        "mon_cluster_log_file": layout.log / "ceph-cluster.log",
        "admin_socket": layout.run / "$name.asok",
        "run_dir": layout.run,
        "crash_dir": layout.ceph / "crash",
        # one OSD, one copy
        "osd_pool_default_size": 1,
        "osd_pool_default_min_size": 1,
        "osd_pool_default_pg_num": 8,
        "osd_pool_default_pgp_num": 8,
        "osd_pool_default_pg_autoscale_mode": "off",
        "osd_crush_chooseleaf_type": 0,
        "mon_allow_pool_size_one": True,
        "mon_warn_on_pool_no_redundancy": False,
        "mon_warn_on_insecure_global_id_reclaim_allowed": False,
        # quick to start
        "paxos_propose_interval": 0.1,
        "paxos_min_wait": 0.02,
        "ms_initial_backoff": 0.1,
        "ms_max_backoff": 1,
        "objecter_tick_interval": 1,
        "objecter_timeout": 3,
        "mon_client_hunt_interval": 1,
        "mon_data_avail_warn": 2,
        "mon_data_avail_crit": 1,
    }


def _osd(data: Path) -> Options:
    rocksdb = (
        "compression=kNoCompression,max_write_buffer_number=2,min_write_buffer_number_to_merge=1,"
        "recycle_log_file_num=2,write_buffer_size=16777216,max_background_jobs=2"
    )
    return {
        "osd_data": data,
        "osd_objectstore": "bluestore",
        "osd_memory_target": 939524096,  # the least that Ceph accepts
        "bluestore_cache_autotune": False,
        "bluestore_cache_size": "64M",
        "bluestore_block_size": BLOCK_SIZE,
        "bluestore_block_create": True,
        "bluestore_min_alloc_size": 65536,
        "bluestore_rocksdb_options": rocksdb,
        "osd_op_num_shards": 1,
        "osd_op_num_threads_per_shard": 2,
        "osd_max_object_name_len": 256,
        "osd_max_object_namespace_len": 64,
        "osd_min_pg_log_entries": 10,
        "osd_max_pg_log_entries": 100,
        "osd_fast_shutdown": True,
        "osd_scrub_begin_hour": 0,
        "osd_scrub_end_hour": 1,
    }
