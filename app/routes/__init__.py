"""One module per resource; handlers read the request, call `app.predictions`, and choose the form of the answer."""
