"""The shelf: bytes in, key out.

One store protocol (`assets.store`), two stores behind it (a local folder, S3), the keys everything
lies under (`assets.keys`) and manifests, of which the first one written wins (`assets.manifest`).

It refuses to know what the bytes are: no picture, record or topic is understood here.
"""
