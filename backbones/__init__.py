"""What a model is: where its parts lie, and how panels become latents and prompts embeddings."""
