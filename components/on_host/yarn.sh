#!/bin/bash
# YARN's commands, for people: the same with every archive of Hadoop.
set -eu
set -a
# shellcheck source=/dev/null
. /etc/default/gaia-hadoop
set +a
case ${1:-} in
  application | app | applicationattempt | container)
    exec "$JAVA_HOME/bin/java" -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp "$HADOOP_CLASS_PATH" \
      org.apache.hadoop.yarn.client.cli.ApplicationCLI "$@" ;;
  node) class=org.apache.hadoop.yarn.client.cli.NodeCLI ;;
  queue) class=org.apache.hadoop.yarn.client.cli.QueueCLI ;;
  logs) class=org.apache.hadoop.yarn.client.cli.LogsCLI ;;
  jar) class=org.apache.hadoop.util.RunJar ;;
  version) class=org.apache.hadoop.util.VersionInfo ;;
  *) echo "yarn application | node | queue | logs | jar | version [ARGUMENTS]" >&2; exit 2 ;;
esac
shift
exec "$JAVA_HOME/bin/java" -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp "$HADOOP_CLASS_PATH" "$class" "$@"
