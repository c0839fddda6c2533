"""Models of other code: their checkpoints read, and made into models with a card."""
