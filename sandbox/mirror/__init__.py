"""The mirror: what hosts download, assembled from package registries and served inside the sandbox."""
