#!/bin/bash
# Starts the notebook server: zeppelin-server JVM_OPTION...
# Its archive names the web pages by version, or (in the sandbox) has none and serves the REST API only.
set -eu
first() { if [ -e "$1" ]; then printf %s "$1"; else printf %s "$ZEPPELIN_WAR_TEMPDIR"; fi; }
for pages in "$ZEPPELIN_HOME"/zeppelin-web-[0-9]*.war; do ZEPPELIN_WAR=$(first "$pages"); done
for pages in "$ZEPPELIN_HOME"/zeppelin-web-angular-*.war; do ZEPPELIN_ANGULAR_WAR=$(first "$pages"); done
export ZEPPELIN_WAR ZEPPELIN_ANGULAR_WAR
# the interpreters find py4j's archive by its version
for archive in "$SPARK_HOME"/python/lib/py4j-*-src.zip; do PYTHONPATH=$SPARK_HOME/python:$archive; done
export PYTHONPATH
# where paragraphs run: the server's own paths are absolute
cd "$ZEPPELIN_WORK"
exec "$JAVA_HOME/bin/java" "$@" \
  -cp "$ZEPPELIN_CONF_DIR:$ZEPPELIN_HOME/*:$ZEPPELIN_HOME/lib/*:$ZEPPELIN_HOME/lib/interpreter/*" \
  org.apache.zeppelin.server.ZeppelinServer
