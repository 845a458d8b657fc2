-- Give the lock back. KEYS[1]: the lock. ARGV[1]: the token of whoever holds it, or held it once.
if redis.call('GET', KEYS[1]) == ARGV[1] then
  return redis.call('DEL', KEYS[1])
end
return 0
