"""A Django app that publishes under load, and writes down in the same transactions what it published."""
