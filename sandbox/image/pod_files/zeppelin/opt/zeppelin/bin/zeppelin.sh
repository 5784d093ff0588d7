#!/bin/bash
# Starts the notebook server. The registries have neither its pages nor its launcher for Kubernetes: it serves the REST
# API only, and starts interpreters by interpreter-pod, which does what that launcher would.
set -eu
export ZEPPELIN_RUN_MODE=local
export ZEPPELIN_INTERPRETER_REMOTE_RUNNER=bin/interpreter-pod
export ZEPPELIN_WAR=${ZEPPELIN_WAR_TEMPDIR:=/tmp/webapps} ZEPPELIN_ANGULAR_WAR=$ZEPPELIN_WAR_TEMPDIR
mkdir -p "$ZEPPELIN_WAR_TEMPDIR"
read -r -a memory <<< "${ZEPPELIN_MEM:--Xmx512m}"
exec "$JAVA_HOME/bin/java" "${memory[@]}" -Dfile.encoding=UTF-8 \
  "-Dlog4j.configuration=file://$ZEPPELIN_CONF_DIR/log4j.properties" \
  -cp "$ZEPPELIN_CONF_DIR:$ZEPPELIN_HOME/lib/*" org.apache.zeppelin.server.ZeppelinServer
