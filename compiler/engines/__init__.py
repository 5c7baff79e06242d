"""Who runs the shard jobs: this process, or Ray."""
