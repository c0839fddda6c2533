"""The generator behind LitServe: `python -m benchmarks.lit FOLDER PORT BATCH`; POST /predict {"seed": 1} gives a png.

A worker process for each core; batches of up to BATCH, or of what comes within 5 ms.
"""

import sys
from pathlib import Path

import litserve
from fastapi import Response

from benchmarks.peers import WORKERS, answering


class Generator(litserve.LitAPI):
    """One worker process's part."""

    def setup(self, device: str) -> None:
        self.answer = answering(Path(sys.argv[1]))

    def decode_request(self, request: dict) -> int:
        return request["seed"]

    def batch(self, inputs: list[int]) -> list[int]:
        return inputs

    def predict(self, seeds: list[int] | int) -> list[bytes] | bytes:
        return self.answer(seeds) if isinstance(seeds, list) else self.answer([seeds])[0]

    def unbatch(self, output: list[bytes]) -> list[bytes]:
        return output

    def encode_response(self, output: bytes) -> Response:
        return Response(output, media_type="image/png")


if __name__ == "__main__":
    batch = int(sys.argv[3])
    api = Generator(max_batch_size=batch, batch_timeout=0.005 if batch > 1 else 0.0)
    server = litserve.LitServer(api, accelerator="cpu", devices=1, workers_per_device=WORKERS)
    server.run(
        host="127.0.0.1", port=int(sys.argv[2]), num_api_servers=1, log_level="warning", generate_client_file=False
    )
