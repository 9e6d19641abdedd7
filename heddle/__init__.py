"""The front: the `heddle` command and the local stack it starts."""
