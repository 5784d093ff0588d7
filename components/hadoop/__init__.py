"""Hadoop, Spark and Zeppelin: sizes, settings and units (pure functions) and the hadoop-yarn platform."""
