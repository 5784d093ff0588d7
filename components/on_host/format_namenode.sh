#!/bin/bash
# Formats the NameNode's directory, only when it is there and empty: format-namenode DIRECTORY
set -eu
directory=$1
[ -f "$directory/current/VERSION" ] && exit 0
if [ -n "$(ls -A "$directory")" ]; then
  echo "$directory is not empty but holds no NameNode's namespace: look at it; nothing was formatted" >&2
  exit 1
fi
exec "$JAVA_HOME/bin/java" -Xmx128m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp "$HADOOP_CLASS_PATH" \
  org.apache.hadoop.hdfs.server.namenode.NameNode -format -nonInteractive
