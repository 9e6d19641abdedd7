"""The local stack: real parts as plain processes under one supervisor, everything in one folder.

Reading order: layout (the folder), ports, children (one process), kafka (the broker), supervisor
(keeps processes alive), processes (which ones, in which order), local (up, down, status).
"""
