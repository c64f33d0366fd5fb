"""From a draft to production and back: plans, their application, and the history in git."""
