"""Models that come by HTTP."""
