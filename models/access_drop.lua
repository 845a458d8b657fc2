-- Forget the cached sessions of one subject and raise the generation, so that no older read can fill them again.
-- KEYS 1 the sessions hash  2 the generation
redis.call('INCR', KEYS[2])
redis.call('EXPIRE', KEYS[2], 3600)
redis.call('DEL', KEYS[1])
return 1
