"""What operators see: Prometheus metrics and the report of queues and workers."""
