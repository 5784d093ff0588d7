#!/bin/bash
# Spark's command of this name (spark-submit, pyspark, spark-sql ...) with the platform's settings.
set -eu
set -a
# shellcheck source=/dev/null
. /etc/default/gaia-hadoop
set +a
exec "$SPARK_HOME/bin/$(basename "$0")" "$@"
