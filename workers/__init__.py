"""The queue and the batching worker. Never imports fastapi; `workers.jobs` is all that the API may know of it."""
