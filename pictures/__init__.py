"""Pictures as bytes and as pixels: reading, framing, writing, and where they come from. Knows no model."""
