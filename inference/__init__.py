"""The loom: prompts become tiles that repeat without a seam.

With `training` the only room that knows torch, and only below `diffusion.py`: importing this
package, `engine`, `shares`, `stand_in` or `build` never loads it. The loom knows nothing of Kafka,
shelves or tenants; rows come in, pixels and machine time go out.
"""
