"""The table: a tile comes in, the files a mill accepts go out.

Pure functions on numpy arrays and bytes, in the order a pattern meets them: `decode`, `lattice`,
`seams` and `gates`, `upscale`, `colour` and `palette`, `plates` and `trace`, `files`; `recipe` says
which of them run and with what limits, `finish` runs a recipe. No Kafka, no network, no torch, and
nothing here reads a setting.
"""
