-- Cache a session's rights, unless something was revoked since they were read.
-- KEYS 1 the sessions hash  2 the generation      ARGV 1 field  2 entry  3 generation seen  4 life in ms
if (redis.call('GET', KEYS[2]) or '0') ~= ARGV[3] then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
if redis.call('PTTL', KEYS[1]) < 0 then redis.call('PEXPIRE', KEYS[1], ARGV[4]) end
return 1
