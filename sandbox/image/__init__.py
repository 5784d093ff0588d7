"""The image of every host: Debian 12 as a directory tree, the read-only lower layer of each host's root."""
