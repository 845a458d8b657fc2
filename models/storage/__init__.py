"""Where the bytes of media and files lie, and the worker that looks at them. Small: the worker imports it."""
