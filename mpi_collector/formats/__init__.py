"""What the files of a run look like: run document, suite samples, cluster_info, metadata."""
