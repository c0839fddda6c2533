"""Who may ask, and for how much: keys, scopes, limits."""
