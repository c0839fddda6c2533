"""The contract on which API and workers stand: predictions, their keys in Redis, what rq writes of them, webhooks."""
