#!/bin/bash
# What a container of Spark runs: an executor as Spark asks for it on Kubernetes, or any other command as it is.
set -eu
export PYTHONPATH=$SPARK_HOME/python
for archive in "$SPARK_HOME"/python/lib/py4j-*-src.zip; do PYTHONPATH+=:$archive; done
[ "${1:-}" = executor ] || exec tini -s -- "$@"

# Spark numbers the JVM's options: SPARK_JAVA_OPT_0, ...
options=()
for ((n = 0; ; n++)); do
  name=SPARK_JAVA_OPT_$n
  [ -n "${!name:-}" ] || break
  options+=("${!name}")
done
exec tini -s -- "$JAVA_HOME/bin/java" "${options[@]}" "-Xms$SPARK_EXECUTOR_MEMORY" "-Xmx$SPARK_EXECUTOR_MEMORY" \
  -cp "${SPARK_CLASSPATH:-}:$SPARK_HOME/jars/*" org.apache.spark.scheduler.cluster.k8s.KubernetesExecutorBackend \
  --driver-url "$SPARK_DRIVER_URL" --executor-id "$SPARK_EXECUTOR_ID" --cores "$SPARK_EXECUTOR_CORES" \
  --app-id "$SPARK_APPLICATION_ID" --hostname "$SPARK_EXECUTOR_POD_IP" \
  --resourceProfileId "$SPARK_RESOURCE_PROFILE_ID" --podName "$SPARK_EXECUTOR_POD_NAME"
