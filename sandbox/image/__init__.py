"""The image of every host: Debian 12 as a directory tree, and layers of packages over it, read-only below its root."""
