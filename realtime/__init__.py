"""The edge where a frame arrives.

`sockets` takes the handshake, `connection` is one client, `dispatch` runs its frames by the tables of the
endpoints (`screens`, `dashboard`). `node` joins `hub` (who is connected here), `broker` (the way between
processes) and `presence` (who is here at all); `outbox` is what waits for one client.
"""
