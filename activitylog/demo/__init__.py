"""Everything of the reference project in one terminal."""
