"""One file per job on a workspace; the command line and the pipelines call these and print."""
