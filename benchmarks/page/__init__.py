"""docs/benchmarks.md, as far as it is made of results: tables, charts, and what they say in words."""
