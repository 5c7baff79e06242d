"""Who runs the shard jobs: this process, or Ray.

- `engine`: what an engine does, and how jobs are scheduled; `open` chooses it.
- `encoder`: panels become latents, prompts become embeddings.
- `local`: this process as an engine; `on_ray`: the same jobs on Ray.
"""
