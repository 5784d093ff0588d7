#!/bin/bash
# HDFS's commands, for people: the same with every archive of Hadoop.
set -eu
set -a
# shellcheck source=/dev/null
. /etc/default/gaia-hadoop
set +a
case ${1:-} in
  dfs) class=org.apache.hadoop.fs.FsShell ;;
  dfsadmin) class=org.apache.hadoop.hdfs.tools.DFSAdmin ;;
  fsck) class=org.apache.hadoop.hdfs.tools.DFSck ;;
  getconf) class=org.apache.hadoop.hdfs.tools.GetConf ;;
  balancer) class=org.apache.hadoop.hdfs.server.balancer.Balancer ;;
  *) echo "hdfs dfs | dfsadmin | fsck | getconf | balancer [ARGUMENTS]" >&2; exit 2 ;;
esac
shift
exec "$JAVA_HOME/bin/java" -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp "$HADOOP_CLASS_PATH" "$class" "$@"
