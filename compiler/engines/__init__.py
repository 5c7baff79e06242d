"""Who runs the shard jobs: this process, or Ray.

- `engine`: how jobs are scheduled, and this process as an engine.
- `encoder`: panels become latents, prompts become embeddings.
- `ray_engine`: the same jobs on Ray.
"""
