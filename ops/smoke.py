"""The operator's smoke test of a platform: a Spark job over the catalogue, which draws a picture; a notebook paragraph.

On Kubernetes both are one: the paragraph's Spark is in pods, which the job needs.
"""

from __future__ import annotations

import base64
import re
import shlex
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ops.cloud import OpsError
from ops.cluster import proxied
from ops.notebook import Notebook
from ops.outputs import outputs, remote, ssh

JOB = Path(__file__).parent.parent / "jobs" / "sky.py"
# who Spark jobs run as: the account of the notebook server, which has a home in HDFS
ACCOUNT = "zeppelin"
PARAGRAPH = """%python
from pyspark.sql import SparkSession
spark = SparkSession.builder.appName("notebook check").getOrCreate()
print("master", spark.sparkContext.master, "sum", spark.range(1000).selectExpr("sum(id)").first()[0])
spark.stop()
"""
EXPECTED = "master yarn sum 499500"
SAID = "sky says: "
# The job's own program, as a notebook's user would paste it
SKY = """%python
import base64, contextlib, io, sys, types
job = types.ModuleType("sky")
exec(compile(base64.b64decode("{source}"), "sky.py", "exec"), vars(job))
sys.argv = ["sky.py", "--catalogue", "{catalogue}", "--png", "/tmp/sky.png"]
told = io.StringIO()
with contextlib.redirect_stdout(told), contextlib.redirect_stderr(told):
    status = job.main()
print("{said}" + told.getvalue().strip().splitlines()[-1])
assert status == 0
drawn = base64.b64encode(open("/tmp/sky.png", "rb").read()).decode()
print('%html <img width="100%" src="data:image/png;base64,' + drawn + '">')
"""


def job(found: dict[str, Any], catalogue: str, png: Path) -> str:
    """Run the sky job on YARN from the gateway; its picture lands in `png`. Returns what the job printed last."""
    gateway = f"{found['deployment']['name']}-zeppelin"
    with ssh(found) as command:

        def run(script: str, stdin: bytes = b"") -> bytes:
            return remote(command, gateway, f"sudo -u {ACCOUNT} sh -c {shlex.quote(script)}", stdin)

        place = run("mktemp -d /tmp/smoke.XXXXXX").decode().strip()
        try:
            run(f"cat > {place}/sky.py", JOB.read_bytes())
            submit = f"spark-submit sky.py --catalogue {shlex.quote(catalogue)} --png sky.png"
            said = run(f"cd {place} && {submit} 2>log || {{ tail -n 40 log >&2; exit 1; }}")
            picture = run(f"cat {place}/sky.png")
        finally:
            run(f"rm -rf {place}")
    png.parent.mkdir(parents=True, exist_ok=True)
    png.write_bytes(picture)
    return said.decode().strip()


def paragraph(found: dict[str, Any]) -> str:
    """Log in to the notebook as its first user and run PySpark on YARN in a paragraph."""
    notebook = Notebook(found["zeppelin_url"])
    notebook.login(found["notebook_user"], found["notebook_password"])
    result = notebook.run(PARAGRAPH)
    if result.status != "SUCCESS" or EXPECTED not in result.text:
        raise OpsError(f"the notebook paragraph ended with {result.status}:\n{result.text[-2000:]}")
    return result.text.strip().splitlines()[-1]


def picture(found: dict[str, Any], catalogue: str, png: Path) -> str:
    """Run the sky job in a paragraph, in whose place the cluster starts pods; its picture lands in `png`."""
    with proxied(found) as notebook:
        notebook.login(found["notebook_user"], found["notebook_password"])
        source = base64.b64encode(JOB.read_bytes()).decode()
        result = notebook.run(SKY.format(source=source, catalogue=catalogue, said=SAID))
    drawn = re.search(r'src="data:image/png;base64,([^"]+)"', result.text)
    said, printed = result.text[: drawn.start() if drawn else None], re.search(rf"^{SAID}(.+)$", result.text, re.M)
    if result.status != "SUCCESS" or not drawn or not printed:
        raise OpsError(f"the notebook paragraph ended with {result.status}:\n{said[-2000:]}")
    png.parent.mkdir(parents=True, exist_ok=True)
    png.write_bytes(base64.b64decode(drawn[1]))
    return printed[1]


def smoke(stack: str, catalogue: str, png: Path) -> list[str]:
    """The checks of a stack's platform; a line for the operator for each, with its seconds.

    Raises OpsError when one fails, or there is nothing to check: no notebook.
    """
    found = outputs(stack)
    if "notebook_password" not in found:
        raise OpsError(f"{stack} has no notebook (or none yet), and nothing else that a smoke test knows of")
    checks: dict[str, Callable[[], str]]
    if "kubeconfig" in found:
        checks = {"notebook paragraph with a Spark of its own": lambda: picture(found, catalogue, png)}
    else:
        checks = {
            "Spark job": lambda: job(found, catalogue, png),
            "notebook paragraph": lambda: paragraph(found),
        }
    lines = []
    for what, act in checks.items():
        begun = time.monotonic()
        said = act()
        lines.append(f"{what} ({time.monotonic() - begun:.0f} s): {said}")
    return [*lines, f"picture: {png}"]
