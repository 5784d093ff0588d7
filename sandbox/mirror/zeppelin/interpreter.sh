#!/bin/bash
# Starts an interpreter process; the notebook server calls it as
#   -d INTERPRETER_DIR -c SERVER_HOST -p SERVER_PORT -r PORT_RANGE -i GROUP -l LOCAL_REPOSITORY -g SETTING [-u USER]
# The registries have no launcher of Zeppelin's, so the sandbox's archive carries this one, for the interpreters it has.
set -eu

while getopts "d:c:p:r:i:l:g:u:v" option; do
  case $option in
    d) directory=$OPTARG ;;
    c) host=$OPTARG ;;
    p) port=$OPTARG ;;
    r) range=$OPTARG ;;
    i) group=$OPTARG ;;
    l) repository=$OPTARG ;;
    g) setting=$OPTARG ;;
    u) ;; # all interpreters run as the server's own account here
    v) echo 0.10.1; exit 0 ;;
    *) exit 2 ;;
  esac
done

configuration=${ZEPPELIN_CONF_DIR:-$ZEPPELIN_HOME/conf}
classes=$configuration
for jar in "$ZEPPELIN_HOME"/interpreter/zeppelin-interpreter-shaded-*.jar; do classes+=:$jar; done
classes+=:$directory/*:$repository/*
read -r -a memory <<< "${ZEPPELIN_INTP_MEM:--Xmx256m}"
read -r -a options <<< "${ZEPPELIN_INTP_JAVA_OPTS:-}"

exec "$JAVA_HOME/bin/java" "${memory[@]}" "${options[@]}" -Dfile.encoding=UTF-8 \
  "-Dlog4j.configuration=file://$configuration/log4j.properties" \
  "-Dzeppelin.log.file=${ZEPPELIN_LOG_DIR:-$ZEPPELIN_HOME/logs}/interpreter-$setting.log" \
  -cp "$classes" org.apache.zeppelin.interpreter.remote.RemoteInterpreterServer "$host" "$port" "$group" "$range"
