"""An app of published models: one for each type of column, and those that are hard to tell the truth about."""
