"""What travels: records, schemas, codec, topics, errors and metric names.

Imports nothing of ours. Everything here is carried by the client's wheel under the name
`heddle_client.schemas`, so imports inside this package are relative.
"""
