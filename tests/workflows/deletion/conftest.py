from trained_workspace import member, pristine, stranger, workspace  # noqa: F401  fixtures
