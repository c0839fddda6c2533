"""Files of requests that are answered when nothing else waits: OpenAI's batch API."""
