"""The HTTP edge: bounds, errors, parsing, forms of answers, the OpenAPI document, the page."""
