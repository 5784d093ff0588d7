"""Settings of Log4j: programs log to standard error, where systemd and Kubernetes find it. Pure.

Zeppelin's versions read either file, Spark the second.
"""

LOG4J_PROPERTIES = """\
log4j.rootLogger=INFO,console
log4j.appender.console=org.apache.log4j.ConsoleAppender
log4j.appender.console.target=System.err
log4j.appender.console.layout=org.apache.log4j.PatternLayout
log4j.appender.console.layout.ConversionPattern=%p %c{1}: %m%n
"""


def log4j2_properties(level: str) -> str:
    """log4j2.properties: what is of this level (`info`, `warn`) or above."""
    return f"""\
rootLogger.level = {level}
rootLogger.appenderRef.stderr.ref = console
appender.console.type = Console
appender.console.name = console
appender.console.target = SYSTEM_ERR
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %p %c{{1}}: %m%n%ex
"""
