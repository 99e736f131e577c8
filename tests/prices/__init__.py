"""A Django app with tables that sinks write."""
