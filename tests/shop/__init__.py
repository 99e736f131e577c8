"""A Django app with models of every shape that ``@publishes`` has to get right."""
