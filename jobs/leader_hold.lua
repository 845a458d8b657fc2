-- Take the lock, or keep it. KEYS[1]: the lock. ARGV: the asker's token, milliseconds until it ends by itself.
-- Returns 1 when the asker holds it now, 0 when somebody else does.
local owner = redis.call('GET', KEYS[1])
if owner and owner ~= ARGV[1] then
  return 0
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
