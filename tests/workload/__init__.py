"""A Django app whose handlers record what they did, in a table without a constraint that would hide a repeat."""
