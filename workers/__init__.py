"""The processes that take jobs: the batching worker, which holds models, and the deliverer of webhooks."""
