"""The shapes of requests and answers, as OpenAPI shows them."""


def is_none(value: object) -> bool:
    """For fields that are left out of the answer when they hold nothing (`exclude_if`)."""
    return value is None
