"""One file per command, each with `add`, which says how it is called and what runs."""
