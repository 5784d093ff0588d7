"""The image of every host: Debian 12 as a directory tree, and a layer of packages over it, read-only below its root."""
