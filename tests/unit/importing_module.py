import no_such_dependency  # noqa: F401 - the import is what fails
