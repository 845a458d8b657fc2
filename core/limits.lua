-- One round trip for what a request must know: its rate window, and the caller's cached session.
-- KEYS  1 the counter   2 the user's cached sessions (a hash)   3 their generation
--       (2 and 3 may be absent; all three share one hash tag)
-- ARGV  1 window in ms   2 cost (0 only looks, below 0 gives back)   3 the session's field
-- Returns {count, milliseconds to the window's end, cached session or false, generation}
local count
if tonumber(ARGV[2]) > 0 then
  count = redis.call('INCRBY', KEYS[1], ARGV[2])
elseif tonumber(ARGV[2]) < 0 and redis.call('EXISTS', KEYS[1]) == 1 then
  count = redis.call('INCRBY', KEYS[1], ARGV[2])
else
  count = tonumber(redis.call('GET', KEYS[1]) or '0')
end
local left = redis.call('PTTL', KEYS[1])
if left < 0 and count ~= 0 then
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
  left = tonumber(ARGV[1])
end
if left < 0 then left = tonumber(ARGV[1]) end
if not KEYS[2] then return {count, left, false, '0'} end
return {count, left, redis.call('HGET', KEYS[2], ARGV[3]), redis.call('GET', KEYS[3]) or '0'}
