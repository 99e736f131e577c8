"""Search trends: a service that brings its consumer along, as an app of an umbrella project does."""
