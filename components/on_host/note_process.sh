#!/bin/bash
# Starts a note's interpreter in the place of Zeppelin's own program: note-process SESSIONS PROGRAM OPTION...
# What it prints before the interpreter answers is what the paragraph says when it does not start.
set -u
sessions=$1 program=$2
shift 2
# a driver's process: Zeppelin names its group (a note's: spark-NOTE) among the words of the command
drivers() { pgrep -c -u "$UID" -f 'RemoteInterpreterServer.* spark-' || true; }
case " $* " in *" -g spark "*)
  if [ "$(drivers)" -ge "$sessions" ]; then
    echo "$sessions notes have a Spark session, as many as the gateway has memory for. Stop one that you no longer"
    echo "need (the interpreter menu of its note: restart), or wait until one has been idle for as long as sessions may."
    exit 1
  fi
esac
# where memory runs out, a note's process goes before the server, whose children all of them are
echo 500 > /proc/self/oom_score_adj
exec "$program" "$@"
