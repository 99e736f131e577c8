"""The instruments of the fault scenarios: a load, the effects it leaves, and the oracles that compare the two."""
