"""The generator behind BentoML, in an environment of its own (`make bench`).

`python -m benchmarks.bento FOLDER PORT BATCH`; POST /generate {"seeds": [1]}. A worker process for each core, adaptive
batching. A batchable method answers in JSON, so its png comes in base64, which is cheaper than a second service in
front that would unpack it.
"""

import os
import sys
from base64 import b64encode
from pathlib import Path

import bentoml

from benchmarks.peers import WORKERS, answering


@bentoml.service(workers=WORKERS, traffic={"timeout": 60}, logging={"access": {"enabled": False}})
class Generator:
    """One worker process's part."""

    def __init__(self) -> None:
        self.answer = answering(Path(os.environ["EASEL_BENCH_FOLDER"]))

    @bentoml.api(batchable=True, max_batch_size=int(os.environ.get("EASEL_BENCH_BATCH", "32")), max_latency_ms=60_000)
    def generate(self, seeds: list[int]) -> list[str]:
        return [b64encode(png).decode() for png in self.answer(seeds)]


if __name__ == "__main__":
    folder, port, batch = sys.argv[1:]
    os.environ |= {"EASEL_BENCH_FOLDER": folder, "EASEL_BENCH_BATCH": batch, "BENTOML_DO_NOT_TRACK": "true"}
    command = ["bentoml", "serve", "benchmarks.bento:Generator", "--host", "127.0.0.1", "--port", port]
    os.execv(str(Path(sys.executable).parent / "bentoml"), command)
